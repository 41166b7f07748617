// This host's number, from which its addresses in pods' networks follow: claimed once, kept until `gc --host`. The
// first host that claims one also records the host range, so that all hosts have the same.

import { clusterSettingsIn } from "../../intent/reach_settings.ts";
import { readableAt, whyUnreadable } from "../../intent/readable.ts";
import {
  checkOf,
  type ClaimRecord,
  type ClusterRecord,
  type Documents,
  type HostNumberRecord,
  keys,
  SCHEMA,
} from "../../intent/records.ts";
import { DEFAULT_HOST_RANGE, parseHostRange } from "../../ipam/host_range.ts";
import { freeIds } from "../../ipam/ranges.ts";
import { Fault } from "../../util/errors.ts";
import type { Json } from "../../store/store.ts";
import { countHosts, pick, skipOf } from "../store/spread_hosts.ts";
import type { Change, StoreCache } from "../store/store_cache.ts";

type Store = Pick<StoreCache, "commit">;

/** Returns the number of a host; undefined while it has none. */
export function hostNumberOf(documents: Documents, host: string): number | undefined {
  return readableAt<HostNumberRecord>(documents, keys.hostNumber(host))?.number;
}

/** Reports whether `host` has a number that is no other host's: its claim says so. */
export function isHostNumbered(documents: Documents, host: string): boolean {
  const number = hostNumberOf(documents, host);
  if (number === undefined) return false;
  const claim = readableAt<ClaimRecord>(documents, keys.hostNumberClaim(number));
  return claim?.owner === keys.hostNumber(host);
}

/**
 * Makes sure that `host` has a number of its own: the one that it has unless another host has claimed that, as
 * after a restored backup; else a free one, the lowest unless many hosts choose at once. `flag` is the range that the
 * operator wants, if set. Faults: exhausted; conflict, where the flag contradicts the store, or after many conflicts
 * with other hosts; unavailable, timeout.
 */
export async function claimHostNumber(store: Store, host: string, flag?: string): Promise<void> {
  let tries = 0;
  await store.commit((documents) => {
    const skip = skipOf(host, tries++, countHosts(documents));
    return numberClaim(documents, { host, flag, skip });
  });
}

/** Records the range of the flag, if the store has none. Faults: conflict; unavailable, timeout. */
export async function recordHostRange(store: Store, flag: string): Promise<void> {
  await store.commit((documents) => {
    const change = rangeRecording(documents, flag);
    return change.writes.length === 0 ? undefined : change;
  });
}

function numberClaim(
  documents: Documents,
  { host, flag, skip }: {
    readonly host: string;
    readonly flag: string | undefined;
    readonly skip: number;
  },
): ReturnType<Change> {
  const range = rangeRecording(documents, flag);
  const key = keys.hostNumber(host);
  if (isHostNumbered(documents, host)) return undefined;
  const known = documents.get(key);
  const why = known && whyUnreadable(key, known.value);
  if (why !== undefined) {
    throw new Fault("conflict", `host ${host} gets no number`, {
      why: `its record ${key} cannot be read: ${why}`,
      fix: "use a newer k8contivnet",
    });
  }
  const own = hostNumberOf(documents, host);
  const number = own !== undefined && !documents.has(keys.hostNumberClaim(own))
    ? own
    : freeNumber(documents, flag ?? clusterSettingsIn(documents).hostRange, skip);
  const claim = keys.hostNumberClaim(number);
  const record: HostNumberRecord = { schema: SCHEMA, host, number };
  const claimRecord: ClaimRecord = { schema: SCHEMA, owner: key };
  return {
    checks: [checkOf(documents, key), checkOf(documents, claim), ...range.checks],
    writes: [
      { key, value: { ...record } },
      { key: claim, value: { ...claimRecord } },
      ...range.writes,
    ],
  };
}

function freeNumber(documents: Documents, hostRange: string, skip: number): number {
  const { lastHost } = parseHostRange(hostRange);
  const isUsed = (number: number) => documents.has(keys.hostNumberClaim(number));
  const number = pick(freeIds([{ first: 1, last: lastHost }], isUsed), skip);
  if (number !== undefined) return number;
  throw new Fault("exhausted", "no host number is left", {
    why: `${lastHost} of ${lastHost} in host range ${hostRange} are in use`,
    fix: 'remove hosts that are gone with "k8contivnet gc --host NAME"',
  });
}

/** Returns the check of the cluster's settings, and the write of a range that they lack. */
function rangeRecording(
  documents: Documents,
  wish: string | undefined,
): NonNullable<ReturnType<Change>> {
  const key = keys.cluster;
  const record = readableAt<ClusterRecord>(documents, key);
  const document = documents.get(key);
  const unreadable = document && whyUnreadable(key, document.value);
  if (unreadable !== undefined) {
    throw new Fault("conflict", "the host range is not known", {
      why: `${key} cannot be read: ${unreadable}`,
      fix: "use a newer k8contivnet",
    });
  }
  const known = record?.hostRange;
  if (known !== undefined) {
    if (wish === undefined || wish === known) {
      return { checks: [checkOf(documents, key)], writes: [] };
    }
    throw new Fault("conflict", `--host-range ${wish} is refused`, {
      why: `the hosts of this store have ${known}`,
      fix: "leave the flag out",
    });
  }
  const value: ClusterRecord = {
    ...record,
    schema: SCHEMA,
    hostRange: wish ?? DEFAULT_HOST_RANGE,
  };
  return {
    checks: [checkOf(documents, key)],
    writes: [{ key, value: { ...value } as unknown as Json }],
  };
}
