// Does a plan's commits, side by side where they do not depend on each other: etcd puts commits that
// come together on its disk together. Pure but for the call that it is handed.

import type { PlanCommit, PlanCommits } from "../../intent/plan_commits.ts";
import type { CommitResult } from "../../store/store.ts";

// Begun and not ended; each of them holds its documents in memory.
const MOST_BEGUN = 64;

/** Where in a plan a commit stands. */
export interface Turn {
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Revisions of the commits done so far, by number. */
  readonly revisions: readonly number[];
}

/**
 * Does all `commits` by `tryOne`: the first alone before all others, the last alone after them, any
 * other as soon as what it waits for is done. Gives the key that the first conflict was about; then no
 * new one is begun, and what was begun has ended, as it has where `tryOne` throws. Throws what the
 * first one threw.
 */
export async function commitAll(
  commits: PlanCommits,
  tryOne: (commit: PlanCommit, turn: Turn) => Promise<CommitResult>,
): Promise<string | undefined> {
  const revisions: number[] = [];
  const ended: Promise<void>[] = [];
  const running = new Set<Promise<void>>();
  const failures: unknown[] = [];
  let conflict: string | undefined;
  const isStopped = () => conflict !== undefined || failures.length > 0;
  const run = async (
    commit: PlanCommit,
    at: number,
    before: readonly (Promise<void> | undefined)[],
  ) => {
    await Promise.all(before);
    if (isStopped()) return;
    try {
      const turn = { isFirst: at === 0, isLast: at === commits.length - 1, revisions };
      const result = await tryOne(commit, turn);
      if (result.done) revisions[at] = result.revision;
      else conflict ??= result.conflict;
    } catch (error) {
      failures.push(error);
    }
  };
  for (const commit of commits) {
    if (isStopped()) break;
    const at = ended.length;
    const isAlone = at === commits.length - 1 || commit.after === undefined;
    const before = isAlone ? [...running] : [0, ...commit.after ?? []].map((one) => ended[one]);
    const one = run(commit, at, before).finally(() => running.delete(one));
    ended.push(one);
    running.add(one);
    while (running.size >= MOST_BEGUN) await Promise.race(running);
  }
  await Promise.all(ended);
  if (failures.length > 0) throw failures[0];
  return conflict;
}
