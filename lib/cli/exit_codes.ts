// The exit codes in words, for help and man page.

import { FAULT_CODES } from "../util/errors.ts";

/** Returns the exit codes with their meaning. */
export function exitCodes(): string {
  const { failed, usage, not_found: missing, conflict, unavailable, timeout } = FAULT_CODES;
  return [
    `${failed.exit} failed`,
    `${usage.exit} usage`,
    `${missing.exit} not found`,
    `${conflict.exit} conflict or exhausted`,
    `${unavailable.exit} unavailable`,
    `${timeout.exit} timed out`,
    "128 and the signal's number where one ended the command",
  ].join(", ");
}
