// Group commit: jobs that arrive while a commit is running go together into the next one.
//
// Own code: batching libraries (dataloader) collect for a fixed time or a turn and resolve each job by itself;
// here the running commit sets the pace, a group succeeds or fails as one, and a group that was refused is
// retried job by job.

import { Fault } from "../errors.ts";

/** Most jobs in one commit; a command line holds the arguments of some 2,000. */
const MOST = 500;

interface Waiting<J, R> {
  readonly job: J;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
}

/** Collects jobs and commits many at once. */
export class GroupCommit<J, R> {
  readonly #commit: (jobs: readonly J[]) => Promise<R>;
  #queue: Waiting<J, R>[] = [];
  #isRunning = false;

  /** `commit` does all of its jobs or none. */
  constructor(commit: (jobs: readonly J[]) => Promise<R>) {
    this.#commit = commit;
  }

  /** Returns the result of the commit that `job` was part of. Faults: of that commit. */
  submit(job: J): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, resolve, reject });
      if (this.#isRunning) return;
      this.#isRunning = true;
      // One turn of the event loop: jobs submitted at the same time go into the same commit.
      queueMicrotask(() => void this.#run());
    });
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#commitGroup(this.#queue.splice(0, MOST));
    this.#isRunning = false;
  }

  async #commitGroup(group: readonly Waiting<J, R>[]): Promise<void> {
    try {
      const result = await this.#commit(group.map(({ job }) => job));
      group.forEach(({ resolve }) => resolve(result));
    } catch (error) {
      if (group.length > 1 && isRefusal(error)) {
        // One bad job must not take the others with it, and only it gets the Fault.
        for (const member of group) await this.#commitGroup([member]);
      } else group.forEach(({ reject }) => reject(error));
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof Fault && (error.code === "failed" || error.code === "conflict");
}
