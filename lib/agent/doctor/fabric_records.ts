// What the checks of the network know of hosts and links: the store's records, and what `ip` prints.

import { whyUnreadable } from "../../intent/readable.ts";
import type {
  AttachmentRecord,
  HostRecord,
  NetworkRecord,
  PresenceRecord,
} from "../../intent/records.ts";
import type { Entry, Store } from "../../store/store.ts";
import type { AgentSettings } from "../api/agent_health.ts";
import type { Machine } from "./machine.ts";
import { recordBudget } from "./record_budget.ts";

/** Of other hosts, at most so many are tried. */
export const MOST_PEERS = 8;

/** Records of the store that say what hosts share. */
export interface FabricRecords {
  readonly hosts: readonly HostRecord[];
  readonly agents: readonly PresenceRecord[];
  readonly networks: readonly NetworkRecord[];
  readonly attachments: readonly AttachmentRecord[];
}

/** A link as `ip -j addr` prints it. */
export interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly operstate?: string;
  readonly flags?: readonly string[];
  readonly "addr_info"?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

/** Returns the links of this host. Faults: as run(). */
export async function linksOf(machine: Pick<Machine, "run">): Promise<readonly Link[]> {
  return JSON.parse(await machine.run("ip", "-j", "addr")) as Link[];
}

/** Reports whether an address stands for the host, on whatever link it comes: that of a loopback, or a /32. */
export function isOfHost({ flags = [], "addr_info": all = [] }: Link, address: string): boolean {
  return flags.includes("LOOPBACK") ||
    all.some(({ local, prefixlen }) => local === address && prefixlen === 32);
}

/** Returns the link by which packets to an address leave; undefined if that is not known. */
export async function deviceTo(
  machine: Pick<Machine, "run">,
  address: string,
): Promise<string | undefined> {
  try {
    const [route] = JSON.parse(await machine.run("ip", "-j", "route", "get", address)) as readonly {
      readonly dev?: string;
    }[];
    return route?.dev;
  } catch {
    return undefined;
  }
}

/** Returns what reads the records with its first call; several checks ask for them. */
export function fabricRecordsReader(
  machine: Machine,
  settings: AgentSettings,
): () => Promise<FabricRecords> {
  let records: Promise<FabricRecords> | undefined;
  return () => records ??= readFabricRecords(machine, settings);
}

/** Returns the records; none if the store does not answer, which another check says. */
async function readFabricRecords(
  machine: Machine,
  { store: url, storeOptions = {}, host }: AgentSettings,
): Promise<FabricRecords> {
  try {
    const store = await machine.openStore(url, storeOptions);
    try {
      const read = async <T>(prefix: string) => valuesOf<T>((await store.list(prefix)).entries);
      const [hosts, agents, networks, attachments] = await Promise.all([
        read<HostRecord>("hosts/"),
        read<PresenceRecord>("agents/"),
        // Of very many networks none is read: what hosts do not share is then not found, but nothing wrong is said.
        recordBudget(store, "networks/").then(({ isFew }) =>
          isFew ? read<NetworkRecord>("networks/") : []
        ),
        attachmentsPrefix(store, host).then((prefix) => read<AttachmentRecord>(prefix)),
      ]);
      return { hosts, agents, networks, attachments };
    } finally {
      await store.close();
    }
  } catch {
    return { hosts: [], agents: [], networks: [], attachments: [] };
  }
}

/** Of very many attachments only this host's are read. */
async function attachmentsPrefix(store: Pick<Store, "count">, host: string): Promise<string> {
  const { isFew } = await recordBudget(store, "attachments/");
  return isFew ? "attachments/" : `attachments/${host}/`;
}

function valuesOf<T>(entries: readonly Entry[]): T[] {
  return entries.filter(({ key, value }) => whyUnreadable(key, value) === undefined)
    .map(({ value }) => value as unknown as T);
}
