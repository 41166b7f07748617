// Why a switch refuses what is in a bundle, by the names of the "OpenFlow Switch Specification 1.3.5",
// §7.4.4, which ovs-ofctl prints, too. Pure.

import { viewOf } from "../bytes.ts";
import type { Message } from "../messages.ts";

const KINDS: Readonly<Record<number, string>> = {
  1: "OFPET_BAD_REQUEST",
  2: "OFPET_BAD_ACTION",
  3: "OFPET_BAD_INSTRUCTION",
  4: "OFPET_BAD_MATCH",
  5: "OFPET_FLOW_MOD_FAILED",
  12: "OFPET_METER_MOD_FAILED",
};

const NAMES: Readonly<Record<string, string>> = {
  "5/1": "OFPFMFC_TABLE_FULL",
  "5/2": "OFPFMFC_BAD_TABLE_ID",
  "5/3": "OFPFMFC_OVERLAP",
  "5/4": "OFPFMFC_EPERM",
  "5/6": "OFPFMFC_BAD_COMMAND",
  "5/7": "OFPFMFC_BAD_FLAGS",
  "12/2": "OFPMMFC_INVALID_METER",
  "12/3": "OFPMMFC_UNKNOWN_METER",
};

/** Of an extension's error, the second number is the extension's own: 2313 and such of bundles. */
const EXTENSION = 0xffff;
const BUNDLE_FAILED = 2300;
const BUNDLE_ERRORS = 16;

/** Returns the reason that an ERROR tells. */
export function refusalOf({ body }: Message): string {
  if (body.length < 4) return "an error without a reason";
  const view = viewOf(body);
  const [kind, code] = [view.getUint16(0), view.getUint16(2)];
  if (kind === EXTENSION) {
    const isBundle = code >= BUNDLE_FAILED && code < BUNDLE_FAILED + BUNDLE_ERRORS;
    return isBundle
      ? `OFPET_BUNDLE_FAILED, code ${code - BUNDLE_FAILED}`
      : `OpenFlow error ${code}`;
  }
  const name = NAMES[`${kind}/${code}`];
  return name ?? (KINDS[kind] ? `${KINDS[kind]}, code ${code}` : `OpenFlow error ${kind}/${code}`);
}
