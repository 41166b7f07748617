// How long a network configuration may be, and how long a runtime may take to write it.

import { CNI_CODES, CniError } from "./cni_types.ts";

/** Most characters of a configuration. Pods' annotations are in it: Kubernetes allows 256 KiB of them. */
export const CONFIG_LIMIT = 1024 * 1024;

/** A runtime writes its configuration at once; a person who forgot it gets an answer after this time. */
export const CONFIG_MS = 10_000;

/** Returns the error of a standard input that did not end in `limitMs`. */
export function configWithoutEnd(limitMs: number): CniError {
  return new CniError(
    CNI_CODES.io,
    `standard input did not end in ${limitMs / 1_000} s`,
    "the runtime must write the network configuration to it and close it",
  );
}

/** Returns the error of a configuration that has more than CONFIG_LIMIT characters, or bytes. */
export function configTooLong(unit: "characters" | "bytes"): CniError {
  return new CniError(
    CNI_CODES.io,
    "the network configuration on standard input is too long",
    `it may have ${CONFIG_LIMIT} ${unit}`,
  );
}
