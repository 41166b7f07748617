// How clients' commits were answered, what a watch reported, and whether the two agree.

import { assert, assertEquals } from "@std/assert";
import type { Change, Json, Store, Write } from "../../lib/store/store.ts";
import { Fault } from "../../lib/util/errors.ts";

/** One commit as it was answered: done at a revision, or not known. Refused ones are not kept. */
export interface AnsweredCommit {
  readonly writes: readonly Write[];
  /** Undefined: the answer was that the outcome is unknown. */
  readonly revision: number | undefined;
}

/** Changes that a watch reported, by revision, and the revisions that it had to skip. */
export interface Watched {
  readonly groups: Map<number, Change[]>;
  /** Each gap is from behind `from` up to `to`, as a list after compaction leaves it. */
  readonly gaps: { readonly from: number; readonly to: number }[];
  readonly state: Map<string, Json>;
}

/** Follows all of `store` until `signal` aborts, listing anew after a compaction. */
export async function follow(store: Store, signal: AbortSignal, seen: Watched): Promise<void> {
  let revision = await takeList(store, seen, 0);
  while (!signal.aborted) {
    for await (const batch of store.watch("", revision, signal)) {
      if (batch.kind === "compacted") {
        revision = await takeList(store, seen, revision);
        break;
      }
      for (const change of batch.changes) take(change, revision, seen);
      revision = batch.revision;
    }
  }
}

async function takeList(store: Store, seen: Watched, from: number): Promise<number> {
  const { entries, revision } = await persist(() => store.list(""));
  seen.gaps.push({ from, to: revision });
  seen.state.clear();
  for (const { key, value } of entries) seen.state.set(key, value);
  return revision;
}

function take(change: Change, after: number, { groups, state }: Watched): void {
  const { key, value, revision } = change;
  assert(revision > after, `revision ${revision} came after ${after}`);
  const group = groups.get(revision) ?? [];
  groups.set(revision, [...group, change]);
  if (value === undefined) state.delete(key);
  else state.set(key, value);
}

/** Repeats `call` while etcd is out of reach. */
export async function persist<T>(call: () => Promise<T>): Promise<T> {
  while (true) {
    try {
      return await call();
    } catch (error) {
      const isOutage = error instanceof Fault && ["unavailable", "timeout"].includes(error.code);
      if (!isOutage) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Throws where `watched` lacks or invents something against the answers to the clients. */
export function compare(answered: readonly AnsweredCommit[], watched: Watched): void {
  const done = answered.filter(({ revision }) => revision !== undefined);
  const revisions = done.filter(hasPut).map(({ revision }) => revision);
  assertEquals(new Set(revisions).size, revisions.length, "no two commits have one revision");
  for (const one of done) {
    if (hasPut(one) && !isInGap(one.revision!, watched)) assertReported(one, watched);
  }
  for (const [revision, changes] of watched.groups) assertKnown(revision, changes, answered);
}

function hasPut({ writes }: AnsweredCommit): boolean {
  return writes.some(({ value }) => value !== undefined);
}

function isInGap(revision: number, { gaps }: Watched): boolean {
  return gaps.some(({ from, to }) => from < revision && revision <= to);
}

// A deletion of what does not exist is not a change.
function assertReported({ writes, revision }: AnsweredCommit, { groups }: Watched): void {
  const group = groups.get(revision!);
  assert(group, `commit ${revision} was not reported: ${JSON.stringify(writes)}`);
  const puts = writes.filter(({ value }) => value !== undefined).map(text).sort();
  assertEquals(group.filter(({ value }) => value !== undefined).map(text).sort(), puts);
}

function assertKnown(
  revision: number,
  changes: readonly Change[],
  answered: readonly AnsweredCommit[],
): void {
  const lines = changes.map(text);
  assertEquals(new Set(lines).size, lines.length, `revision ${revision} was reported twice`);
  const isOf = ({ writes, revision: own }: AnsweredCommit) => {
    const wanted = new Set(writes.map(text));
    return (own === undefined || own === revision) && lines.every((line) => wanted.has(line));
  };
  assert(answered.some(isOf), `revision ${revision} was invented: ${lines.join(" ")}`);
}

function text({ key, value }: Write): string {
  return value === undefined ? `${key} deleted` : `${key}=${value}`;
}
