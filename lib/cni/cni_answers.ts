// What the plugin prints besides results: errors, and the answer of VERSION. Each is one line of JSON, without newline.

import { FAULT_CODES, faultFrom, oneLine } from "../util/errors.ts";
import { CNI_VERSIONS, type CniCode, CniError, type CniVersion } from "./cni_types.ts";

/** Returns an error as the specification has it: cniVersion, code, msg, details. */
export function errorToJson(version: CniVersion, { code, message, details }: CniError): string {
  return JSON.stringify({
    cniVersion: version,
    code,
    msg: message,
    ...(details !== undefined && { details }),
  });
}

/** Returns what an error's JSON says, as one line of at most 500 characters. */
export function errorWords(json: string): string {
  const { msg, details } = JSON.parse(json);
  return oneLine(details ? `${msg}: ${details}` : `${msg}`, 500);
}

/** Returns the answer of VERSION, which reads neither configuration nor other variables. */
export function versionAnswer(): string {
  return JSON.stringify({
    cniVersion: CNI_VERSIONS[CNI_VERSIONS.length - 1],
    supportedVersions: CNI_VERSIONS,
  });
}

/** Returns any error as a CniError: of a Fault, what is wrong is the message, reason and way out are the details. */
export function cniErrorFrom(error: unknown): CniError {
  if (error instanceof CniError) return error;
  const { code, what, why, fix } = faultFrom(error);
  const details = [why, fix].filter((part) => part !== undefined).join("; ");
  return new CniError(FAULT_CODES[code].cni as CniCode, what, details || undefined);
}
