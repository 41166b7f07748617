// Copies all documents of a store to another one, whatever their drivers: claims, attachments, history, everything but
// the heartbeats and reports of agents, and the indexes, which its agents write. Records that this version cannot read
// are copied as they are.

import {
  type Check,
  COMMIT_BYTES,
  COMMIT_OPERATIONS,
  type Entry,
  type Json,
  type Store,
  type Write,
} from "../../store/store.ts";
import { INDEX_FOLDER, indexKeys } from "../../intent/store_index.ts";
import { Fault, oneLine } from "../../util/errors.ts";
import { isSame } from "../../util/same_json.ts";
import type { Report } from "../../util/progress.ts";

const ROUNDS = 5;
/** What agents say of themselves. */
const OF_AGENTS = /^(agents|reports|members\/~hosts)\//;

/** How a copy ended. */
export interface CopyResult {
  /** Documents of the source. */
  readonly documents: number;
  /** Documents that were written to the destination, or would be. */
  readonly written: number;
  /** Documents that the source does not have, deleted from the destination. */
  readonly deleted: number;
}

/** Options of a copy. */
export interface CopyOptions {
  /** Only count. */
  readonly isDry?: boolean;
  /** Replace what the destination has. */
  readonly isForced?: boolean;
  readonly report?: Report;
  /** Ends the copy between two commits. */
  readonly signal?: AbortSignal;
}

/**
 * Makes `to` equal to `from`, and compares them at the end. Faults: conflict, if the destination is not empty, or if
 * either is changed by others meanwhile; failed, if the signal aborts; those of the stores.
 */
export async function copyStore(
  from: Pick<Store, "list">,
  to: Pick<Store, "list" | "commit">,
  { isDry = false, isForced = false, report, signal }: CopyOptions = {},
): Promise<CopyResult> {
  let [written, deleted] = [0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const [all, present] = [await documentsOf(from), await documentsOf(to)];
    // The source may have been in use by agents that write no index, or not all of them.
    const source = new Map([...all].filter(([key]) => !key.startsWith(INDEX_FOLDER)));
    if (round === 0 && present.size > 0 && !isForced) throw notEmpty(present);
    const changes = changesTo(present, source);
    const deletions = changes.filter(({ write }) => write.value === undefined).length;
    if (isDry || changes.length === 0) {
      return {
        documents: source.size,
        written: written + changes.length - deletions,
        deleted: deleted + deletions,
      };
    }
    await commitAll(to, changes, { report, signal });
    written += changes.length - deletions;
    deleted += deletions;
  }
  throw new Fault("conflict", "the copy is not complete", {
    why: "the source goes on to change",
    fix: "stop the agents that use it; their pods keep their networks meanwhile",
  });
}

async function documentsOf(store: Pick<Store, "list">): Promise<Map<string, Entry>> {
  const { entries } = await store.list("");
  return new Map(
    entries.filter(({ key }) => !OF_AGENTS.test(key)).map((entry) => [entry.key, entry]),
  );
}

interface Change {
  readonly check: Check;
  readonly write: Write;
}

/**
 * Returns the changes that make `present` equal to `source`. First of all, the destination stops saying that its indexes
 * are complete: an agent that starts after an interruption must not trust them.
 */
function changesTo(
  present: ReadonlyMap<string, Entry>,
  source: ReadonlyMap<string, Entry>,
): Change[] {
  const changeOf = (key: string, value: Json | undefined): Change => ({
    check: { key, revision: present.get(key)?.revision ?? 0 },
    write: { key, value },
  });
  const gone = [...present.keys()].filter((key) => !source.has(key))
    .map((key) => changeOf(key, undefined));
  const isFirst = ({ write }: Change) => write.key === indexKeys.complete;
  return [
    ...gone.filter(isFirst),
    ...[...source.values()]
      .filter(({ key, value }) => !isSame(present.get(key)?.value, value))
      .map(({ key, value }) => changeOf(key, value)),
    ...gone.filter((change) => !isFirst(change)),
  ];
}

async function commitAll(
  to: Pick<Store, "commit">,
  changes: readonly Change[],
  { report, signal }: { readonly [K in "report" | "signal"]: CopyOptions[K] },
): Promise<void> {
  let done = 0;
  for (const batch of batchesOf(changes)) {
    if (signal?.aborted) throw interrupted(done, changes.length);
    const result = await to.commit(
      batch.map(({ check }) => check),
      batch.map(({ write }) => write),
    );
    if (!result.done) {
      throw new Fault("conflict", "the copy is not complete", {
        why: `somebody else has written ${oneLine(result.conflict, 60)} to the destination`,
        fix: "stop the agents that use it, and copy again with --force",
      });
    }
    done += batch.length;
    report?.(done, changes.length);
  }
}

function interrupted(done: number, of: number): Fault {
  return new Fault("failed", "the copy was interrupted", {
    why: `${done} of ${of} documents are written to the destination`,
    fix: done === 0 ? "copy again" : "copy again with --force, and start no agent with it before",
  });
}

/** Returns the changes in commits that every store takes. */
function batchesOf(changes: readonly Change[]): Change[][] {
  const batches: Change[][] = [];
  let [batch, bytes]: [Change[], number] = [[], 0];
  const encoder = new TextEncoder();
  for (const change of changes) {
    const { key, value } = change.write;
    const size = encoder.encode(key).length +
      (value === undefined ? 0 : encoder.encode(JSON.stringify(value)).length);
    // Each has a check and a write.
    const isFull = 2 * (batch.length + 1) > COMMIT_OPERATIONS || bytes + size > COMMIT_BYTES;
    if (batch.length > 0 && isFull) {
      batches.push(batch);
      [batch, bytes] = [[], 0];
    }
    batch.push(change);
    bytes += size;
  }
  return batch.length > 0 ? [...batches, batch] : batches;
}

function notEmpty(present: ReadonlyMap<string, Entry>): Fault {
  const [first] = present.keys();
  return new Fault("conflict", "the destination is not empty", {
    why: `it has ${present.size} documents, such as ${oneLine(first ?? "", 60)}`,
    fix: "choose another one, or add --force to replace what it has",
  });
}
