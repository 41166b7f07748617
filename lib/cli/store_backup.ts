// `store backup FROM FILE`: the records of one moment, in a file that appears only when it is complete.

import { type CopyOptions, type CopyResult, copyStore } from "../agent/store/copy_store.ts";
import { openStore } from "../store/open_store.ts";
import { Fault, systemWords } from "../util/errors.ts";
import type { Shell } from "./shell.ts";
import { openSource, type StoreSource } from "./store_source.ts";

/** What SQLite keeps beside a database that is open. */
const SUFFIXES = ["", "-wal", "-shm"] as const;

/**
 * Writes the records of `from` into the SQLite file `path`, which `store copy` reads; agents may use `from` meanwhile.
 * Faults: conflict, if the file is there and --force is not given; failed; those of the stores.
 */
export async function backUp(shell: Shell, from: string, path: string): Promise<CopyResult> {
  const { options: { dryRun, force }, storeOptions, long } = shell;
  await using stack = new AsyncDisposableStack();
  const source = await openSource(from, storeOptions);
  stack.defer(() => source.close());
  await mustBeFree(path, force);
  const moment = await momentOf(source);
  if (dryRun) return await copyStore(moment, NOTHING, { isDry: true });
  // Others may write a backup of the same name.
  const unfinished = `${path}.${Deno.pid}.new`;
  const discard = () => removeAll(unfinished);
  await removeLeftovers(path);
  try {
    const result = await long.runToStop(
      { what: "store backup" },
      (course) =>
        write(moment, unfinished, course).catch((error) => {
          throw course.signal.aborted ? interrupted(path, error) : error;
        }),
    );
    await settleOld(path);
    await Deno.rename(unfinished, path);
    return result;
  } catch (cause) {
    await discard();
    if (cause instanceof Fault) throw cause;
    throw new Fault("failed", `${path} cannot be written`, {
      why: systemWords(cause),
      fix: "give another place",
      cause,
    });
  }
}

function interrupted(path: string, cause: unknown): Fault {
  return new Fault("failed", "the backup was interrupted", {
    why: `nothing was written to ${path}`,
    fix: "run it again",
    cause,
  });
}

/** A destination that a dry run compares with. */
const NOTHING = {
  list: () => Promise.resolve({ entries: [], revision: 0 }),
  commit: () => Promise.resolve({ done: true, revision: 0 } as const),
};

/** Returns what `source` has now: what is written to it from now on is not in the backup. */
async function momentOf(source: StoreSource): Promise<Pick<StoreSource, "list">> {
  const listed = await source.list("");
  return { list: () => Promise.resolve(listed) };
}

async function write(
  moment: Pick<StoreSource, "list">,
  path: string,
  course: Pick<CopyOptions, "report" | "signal">,
): Promise<CopyResult> {
  const store = await openStore(`sqlite:${path}`);
  try {
    return await copyStore(moment, store, course);
  } finally {
    // SQLite puts all into the one file when the last connection is closed.
    await store.close();
  }
}

/** Faults: conflict. */
async function mustBeFree(path: string, isForced: boolean): Promise<void> {
  const info = await Deno.lstat(path).catch(() => undefined);
  if (info === undefined || (isForced && info.isFile)) return;
  throw new Fault("conflict", `${path} is there already`, {
    why: info.isFile ? "it is not overwritten" : "it is not a file",
    fix: info.isFile ? "give another name, or add --force to replace it" : "give another name",
  });
}

/**
 * Leaves nothing beside an old backup that SQLite would replay into the new one. Faults: conflict, if another process
 * has the old one open.
 */
async function settleOld(path: string): Promise<void> {
  if (!await hasLog(path)) return;
  // SQLite removes the log of a killed process when the only connection is closed.
  await openStore(`sqlite:${path}`).then((store) => store.close()).catch(() => {});
  if (!await hasLog(path)) return;
  throw new Fault("conflict", `${path} is not replaced`, {
    why: `another process may have it open: ${path}-wal is there`,
    fix: "stop that process, or give another name",
  });
}

function hasLog(path: string): Promise<boolean> {
  return Deno.lstat(`${path}-wal`).then(() => true, () => false);
}

/** No backup takes so long: 16,000 documents take three seconds. */
const LEFT_MS = 3_600_000;

/** Removes what backups to this file have left that were killed. */
async function removeLeftovers(path: string): Promise<void> {
  const cut = path.lastIndexOf("/") + 1;
  const [folder, name] = [path.slice(0, cut), path.slice(cut)];
  const pattern = new RegExp(`^${RegExp.escape(name)}\\.\\d+\\.new(-wal|-shm)?$`);
  // A folder that is not there is reported when the file is written.
  const found = await Array.fromAsync(Deno.readDir(folder || ".")).catch(() => []);
  for (const entry of found.filter((one) => pattern.test(one.name))) {
    const left = `${folder}${entry.name}`;
    const { mtime } = await Deno.lstat(left).catch(() => ({ mtime: null }));
    if (mtime && Date.now() - mtime.getTime() > LEFT_MS) await Deno.remove(left).catch(() => {});
  }
}

async function removeAll(path: string): Promise<void> {
  for (const suffix of SUFFIXES) await Deno.remove(`${path}${suffix}`).catch(() => {});
}
