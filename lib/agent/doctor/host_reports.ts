// What the doctor last found on a host, for the other hosts of a shared store: also there once the host is gone. The agent
// has its own file do the examination, in a process that ends: nothing of it stays in the agent's memory.

import { keys, type ReportRecord, SCHEMA } from "../../intent/records.ts";
import { pause } from "../../util/async/pause.ts";
import { unlessAborted } from "../../util/async/unless_aborted.ts";
import { faultFrom, oneLine } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { runToEnd } from "../../util/run.ts";
import { VERSION } from "../../util/version.ts";
import type { CheckItem, DoctorAnswer } from "../api/agent_health.ts";
import type { StoreCache } from "../store/store_cache.ts";

const FIRST_MS = 20_000;
const EVERY_MS = 600_000;
/** A report that says the same is written again after this. */
const AGAIN_MS = 3_600_000;
const EXAMINE_MS = 30_000;
const MOST_CHECKS = 50;
// A way out may be half a dozen commands, and must not be cut in the middle.
const MOST_FIX = 1_500;

/** What reports are written with. */
export interface HostReportDeps {
  readonly host: string;
  readonly store: Pick<StoreCache, "commit" | "unreachable">;
  /** Examines this host. */
  readonly examine: () => Promise<DoctorAnswer>;
  /** Milliseconds of the epoch. */
  readonly wallMs: () => number;
  readonly log: Pick<Log, "debug">;
}

/** Writes a report of this host now and then, until `signal` aborts. A failure only delays it. */
export async function keepReport(deps: HostReportDeps, signal: AbortSignal): Promise<void> {
  await pause(FIRST_MS, signal);
  while (!signal.aborted) {
    try {
      if (!deps.store.unreachable) await unlessAborted(writeReport(deps), signal);
    } catch (error) {
      deps.log.debug(`report of this host not written: ${faultFrom(error).message}`);
    }
    await pause(EVERY_MS, signal);
  }
}

/** Writes what the doctor finds now, if it is news. Faults: those of the examination and of the store. */
export async function writeReport(
  { host, store, examine, wallMs }: Omit<HostReportDeps, "log">,
): Promise<void> {
  const { checks } = await examine();
  const nowMs = wallMs();
  const record = reportOf(host, checks, new Date(nowMs).toISOString());
  const key = keys.report(host);
  await store.commit((documents) => {
    const known = documents.get(key);
    const before = known?.value as ReportRecord | undefined;
    if (before && isSame(before, record) && nowMs - Date.parse(before.at) < AGAIN_MS) {
      return undefined;
    }
    return {
      checks: [{ key, revision: known?.revision ?? 0 }],
      writes: [{ key, value: JSON.parse(JSON.stringify(record)) }],
    };
  });
}

/** Returns the record of a report: what is wrong, and how much is right. */
export function reportOf(host: string, checks: readonly CheckItem[], at: string): ReportRecord {
  const wrong = checks.filter(({ state }) => state !== "ok");
  return {
    ...{ schema: SCHEMA, host, at, version: VERSION, passed: checks.length - wrong.length },
    checks: wrong.slice(0, MOST_CHECKS).map(({ message, fix, ...one }) => ({
      ...one,
      message: oneLine(message, 500),
      ...fix === undefined ? {} : { fix: oneLine(fix, MOST_FIX) },
    })),
  };
}

function isSame({ at: _a, ...one }: ReportRecord, { at: _b, ...other }: ReportRecord): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Returns this program's file; undefined if it does not run from its one file, or the file has another face's name. */
export async function ownFile(): Promise<string | undefined> {
  const called = Deno.env.get("K8CONTIVNET_ARGV0");
  if (!called?.includes("/")) return undefined;
  const file = await Deno.realPath(called).catch(() => undefined);
  return file === undefined || /\/(netplugin|netdcli)$/.test(file) ? undefined : file;
}

/** Has `file` examine the host whose agent listens at `socket`. `nsenter` without a namespace only starts it. */
export async function examineBy(file: string, socket: string): Promise<DoctorAnswer> {
  const { stdout, stderr } = await runToEnd(
    "nsenter",
    ["--", file, "doctor", "-o", "json", "--socket", socket],
    { limitMs: EXAMINE_MS },
  );
  try {
    return JSON.parse(stdout);
  } catch (cause) {
    throw new Error(`doctor answered "${oneLine(stderr || stdout)}"`, { cause });
  }
}
