// How long a network configuration may be.

import { CNI_CODES, CniError } from "./cni_types.ts";

/** Most characters of a configuration. Pods' annotations are in it: Kubernetes allows 256 KiB of them. */
export const CONFIG_LIMIT = 1024 * 1024;

/** Returns the error of a configuration that has more than CONFIG_LIMIT characters, or bytes. */
export function configTooLong(unit: "characters" | "bytes"): CniError {
  return new CniError(
    CNI_CODES.io,
    "the network configuration on standard input is too long",
    `it may have ${CONFIG_LIMIT} ${unit}`,
  );
}
