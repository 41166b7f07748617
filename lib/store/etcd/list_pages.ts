// Lists in pages, all of one revision.

import { Fault } from "../../util/errors.ts";
import type { Entry } from "../store.ts";
import type { EtcdCluster } from "./etcd_cluster.ts";
import { type EtcdKeys, nextKey } from "./etcd_keys.ts";
import { CODE, type EtcdResponse, TransportError } from "./transport.ts";

const PAGE = 2_000;

/** Gets each page while etcd prepares the next one. */
type OnPage = (page: readonly Entry[]) => void;

/** Returns all documents below `prefix`, and the revision of the same snapshot. Faults as EtcdCluster.ask(). */
export async function listPages(
  cluster: EtcdCluster,
  keys: EtcdKeys,
  prefix: string,
  onPage: OnPage = () => {},
): Promise<{ entries: Entry[]; revision: number }> {
  while (true) {
    try {
      return await listOnce(cluster, keys, prefix, onPage);
    } catch (error) {
      // Compacted between two pages: begin again at a newer revision.
      if (codeOf(error) !== CODE.outOfRange) throw error;
    }
  }
}

async function listOnce(
  cluster: EtcdCluster,
  keys: EtcdKeys,
  prefix: string,
  onPage: OnPage,
): Promise<{ entries: Entry[]; revision: number }> {
  const { key, "range_end": end } = keys.range(prefix);
  const entries: Entry[] = [];
  let [start, revision, limit] = [key, "0", PAGE];
  const ask = () => {
    const request = { key: start, "range_end": end, revision, limit: String(limit) };
    return readPage(() => cluster.ask("kv/range", request), limit);
  };
  let asked = ask();
  while (true) {
    const page = await asked;
    if (page === undefined) {
      limit = Math.ceil(limit / 8);
      asked = ask();
      continue;
    }
    const { kvs = [], more, header } = page;
    if (revision === "0") revision = header?.revision ?? "0";
    const last = more ? kvs.at(-1)?.key : undefined;
    if (last !== undefined) {
      start = nextKey(last);
      asked = ask();
      await sent();
    }
    // This takes as long as etcd takes for the next page, and runs at the same time.
    const read = kvs.map((pair) => keys.entry(pair));
    onPage(read);
    entries.push(...read);
    if (last === undefined) return { entries, revision: Number(revision) };
  }
}

/** Resolves when the last request has been sent: after one turn of the event loop. */
function sent(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0));
}

// Undefined: too long for one message; ask for fewer.
async function readPage(
  ask: () => Promise<EtcdResponse>,
  limit: number,
): Promise<EtcdResponse | undefined> {
  try {
    return await ask();
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : undefined;
    if (limit > 1 && cause instanceof TransportError && cause.isTooLong) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): number | undefined {
  const cause = error instanceof Fault ? error.cause : undefined;
  return cause instanceof TransportError ? cause.code : undefined;
}
