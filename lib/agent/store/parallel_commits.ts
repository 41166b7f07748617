// Runs the commits of a plan, in parallel where they do not depend on each other: etcd writes commits that
// arrive together to its disk together. Pure except for the call that it is passed.

import type { PlanCommit, PlanCommits } from "../../intent/plan_commits.ts";
import type { CommitResult } from "../../store/store.ts";

// Commits in progress; each of them keeps its documents in memory.
const MAX_PARALLEL = 64;

/** The position of a commit in its plan. */
export interface CommitPosition {
  readonly isFirst: boolean;
  readonly isLast: boolean;
  /** Revisions of the commits done so far, by number. */
  readonly revisions: readonly number[];
}

/**
 * Runs all `commits` by `commitOne`: the first alone before all others, the last alone after them, every
 * other as soon as the commits that it waits for are done. Returns the key of the first conflict. After a
 * conflict or an error it starts no more commits and waits for those in progress; then it throws the
 * first error.
 */
export async function commitAll(
  commits: PlanCommits,
  commitOne: (commit: PlanCommit, position: CommitPosition) => Promise<CommitResult>,
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
      const position = { isFirst: at === 0, isLast: at === commits.length - 1, revisions };
      const result = await commitOne(commit, position);
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
    while (running.size >= MAX_PARALLEL) await Promise.race(running);
  }
  await Promise.all(ended);
  if (failures.length > 0) throw failures[0];
  return conflict;
}
