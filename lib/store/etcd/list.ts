// Lists in pages, all of one revision.

import { Fault } from "../../util/errors.ts";
import type { Entry } from "../store.ts";
import type { Cluster } from "./cluster.ts";
import { type Keys, nextKey } from "./keys.ts";
import { type Answer, CODE, WireError } from "./wire.ts";

const PAGE = 1_000;

/** Gives all documents below `prefix`, and the revision of this very view. Faults as Cluster.ask(). */
export async function list(
  cluster: Cluster,
  keys: Keys,
  prefix: string,
): Promise<{ entries: Entry[]; revision: number }> {
  while (true) {
    try {
      return await listOnce(cluster, keys, prefix);
    } catch (error) {
      // Compacted between two pages: begin again at a newer revision.
      if (codeOf(error) !== CODE.outOfRange) throw error;
    }
  }
}

async function listOnce(
  cluster: Cluster,
  keys: Keys,
  prefix: string,
): Promise<{ entries: Entry[]; revision: number }> {
  const { key, "range_end": end } = keys.range(prefix);
  const entries: Entry[] = [];
  let [start, revision, limit] = [key, "0", PAGE];
  while (true) {
    const question = { key: start, "range_end": end, revision, limit: String(limit) };
    const page = await readPage(() => cluster.ask("kv/range", question), limit);
    if (page === undefined) {
      limit = Math.ceil(limit / 8);
      continue;
    }
    const { kvs = [], more, header } = page;
    entries.push(...kvs.map((pair) => keys.entry(pair)));
    if (revision === "0") revision = header?.revision ?? "0";
    const last = kvs.at(-1)?.key;
    if (!more || last === undefined) return { entries, revision: Number(revision) };
    start = nextKey(last);
  }
}

// Undefined: too long for one message, so ask for fewer.
async function readPage(ask: () => Promise<Answer>, limit: number): Promise<Answer | undefined> {
  try {
    return await ask();
  } catch (error) {
    const cause = error instanceof Fault ? error.cause : undefined;
    if (limit > 1 && cause instanceof WireError && cause.isTooLong) return undefined;
    throw error;
  }
}

function codeOf(error: unknown): number | undefined {
  const cause = error instanceof Fault ? error.cause : undefined;
  return cause instanceof WireError ? cause.code : undefined;
}
