// The network-status annotation of a pod: the de-facto standard of k8snetworkplumbingwg, a JSON list of
// networks. Other programs may write there, too (as Multus does): their entries are kept. One entry at most is
// the default: where Multus calls this plugin for eth0, its own entry of the same interface is. Pure.

import type { AttachmentRecord } from "../../intent/records.ts";
import { bareAddress } from "../pods/port_external_ids.ts";

/** Prefix of the names of our entries, which distinguishes them from others. */
const OURS = "k8contivnet/";

/** An entry of the list, as in the standard. */
interface Entry {
  readonly name: string;
  readonly interface: string;
  readonly ips: readonly string[];
  readonly mac: string;
  readonly default?: true;
  readonly dns: Readonly<Record<string, never>>;
}

/** Returns the network of one of our entries by its name, as `tenant/network`; undefined for others. */
export function networkOfEntry(name: unknown): string | undefined {
  return typeof name === "string" && name.startsWith(OURS) ? name.slice(OURS.length) : undefined;
}

/**
 * Returns the desired annotation, with our entries replaced by `attachments`: null for none; undefined if
 * it needs no change, or if the present one cannot be parsed, which is not ours to repair.
 */
export function statusChange(
  now: string | undefined,
  attachments: readonly AttachmentRecord[],
): string | null | undefined {
  const entries = entriesIn(now);
  if (!entries) return undefined;
  const others = entries.filter(({ name }) => networkOfEntry(name) === undefined);
  const ours = entries.filter(({ name }) => networkOfEntry(name) !== undefined);
  const hasDefault = others.some((one) => one.default === true);
  const desired = attachments.map((one) => entryOf(one, hasDefault))
    .sort((a, b) => a.interface < b.interface ? -1 : 1);
  if (JSON.stringify(ours) === JSON.stringify(desired)) return undefined;
  const all = [...others, ...desired];
  return all.length === 0 ? null : JSON.stringify(all);
}

/** An entry of any program. */
export type AnyEntry = Readonly<Record<string, unknown>>;

/** Returns the entries of an annotation; undefined if it cannot be parsed. */
export function entriesIn(text: string | undefined): readonly AnyEntry[] | undefined {
  if (text === undefined || text === "") return [];
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((one) => typeof one === "object" && one !== null)
      ? value
      : undefined;
  } catch {
    return undefined;
  }
}

function entryOf(one: AttachmentRecord, hasDefault: boolean): Entry {
  return {
    name: `${OURS}${one.tenant}/${one.network}`,
    interface: one.interface,
    ips: one.addresses.map(bareAddress),
    mac: one.mac,
    ...one.interface === "eth0" && !hasDefault ? { default: true } : {},
    dns: {},
  };
}
