// What a pod's network status says beside it: the de-facto standard of k8snetworkplumbingwg, a list of
// networks as JSON. Others may write there, too (Multus does): their entries stay. Pure.

import type { AttachmentRecord } from "../../intent/records.ts";
import { bareAddress } from "../pods/port_external_ids.ts";

/** Our entries' names begin so: what tells them from others'. */
const OURS = "k8contivnet/";

/** An entry of the list, as the standard has it. */
interface Entry {
  readonly name: string;
  readonly interface: string;
  readonly ips: readonly string[];
  readonly mac: string;
  readonly default?: true;
  readonly dns: Readonly<Record<string, never>>;
}

/** Returns the network that an entry's name tells, as `tenant/network`; undefined for others' entries. */
export function networkOfEntry(name: unknown): string | undefined {
  return typeof name === "string" && name.startsWith(OURS) ? name.slice(OURS.length) : undefined;
}

/**
 * Returns what the annotation should be, with `attachments` for all that is ours in it: null for none;
 * undefined where it is so already, and where what is there cannot be read, which is not ours to mend.
 */
export function statusChange(
  now: string | undefined,
  attachments: readonly AttachmentRecord[],
): string | null | undefined {
  const entries = entriesIn(now);
  if (!entries) return undefined;
  const others = entries.filter(({ name }) => networkOfEntry(name) === undefined);
  const ours = entries.filter(({ name }) => networkOfEntry(name) !== undefined);
  const wanted = attachments.map(entryOf).sort((a, b) => a.interface < b.interface ? -1 : 1);
  if (JSON.stringify(ours) === JSON.stringify(wanted)) return undefined;
  const all = [...others, ...wanted];
  return all.length === 0 ? null : JSON.stringify(all);
}

/** An entry of anybody's. */
export type AnyEntry = Readonly<Record<string, unknown>>;

/** Returns the entries that an annotation has; undefined where it cannot be read. */
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

function entryOf(one: AttachmentRecord): Entry {
  return {
    name: `${OURS}${one.tenant}/${one.network}`,
    interface: one.interface,
    ips: one.addresses.map(bareAddress),
    mac: one.mac,
    ...one.interface === "eth0" ? { default: true } : {},
    dns: {},
  };
}
