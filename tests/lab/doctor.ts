// `doctor` of the built file on a lab's host, and tables of machines that are broken on purpose.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { CheckItem, DoctorAnswer } from "../../lib/agent/api/agent_health.ts";
import type { Host } from "./host.ts";
import { FILE } from "./host.ts";
import { hangSignal } from "./limits.ts";
import { run } from "./run.ts";

/** The host that is examined; in its network namespace where it has one of its own. */
export type Patient = Pick<Host, "agent"> & { readonly netns?: string };

/** What `doctor` found. */
export interface Examined {
  readonly answer: DoctorAnswer;
  readonly code: number;
}

/** Calls `doctor` for a host; `inside` are words that start it, such as `env NAME=VALUE`. */
export async function examine(
  { agent, netns }: Patient,
  inside: readonly string[] = [],
): Promise<Examined> {
  const place = netns === undefined ? [] : ["ip", "netns", "exec", netns];
  const doctor = [FILE, "doctor", "--socket", agent.socket, "-o", "json"];
  const [cmd = "", ...args] = [...place, ...inside, ...doctor];
  const ended = await new Deno.Command(cmd, { args, stdin: "null", signal: hangSignal(90_000) })
    .output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  const out = text(ended.stdout);
  assert(out.startsWith("{"), text(ended.stderr));
  return { answer: JSON.parse(out), code: ended.code };
}

/** On a machine that is much too busy, the doctor ends by its own limit: it is asked again, some times. */
export async function examineInTime(
  host: Patient,
  inside: readonly string[] = [],
): Promise<Examined> {
  for (let tries = 1;; tries++) {
    const examined = await examine(host, inside);
    if (tries === TRIES || !idsOf(examined, "failed").includes("limit")) return examined;
  }
}

const TRIES = 10;

/** Returns the ids of the findings in these states, sorted. */
export function idsOf({ answer }: Examined, ...states: CheckItem["state"][]): string[] {
  return answer.checks.filter(({ state }) => states.includes(state)).map(({ id }) => id).sort();
}

/** Throws unless `finding`, state and id, was found with these words of its message and way out. */
export function assertFound({ answer, code }: Examined, finding: string, words: RegExp): void {
  const wrong = answer.checks.filter(({ state }) => state !== "ok");
  const lines = wrong.filter(({ state, id }) => `${state} ${id}` === finding)
    .map(({ message, fix = "" }) => `${message}; ${fix}`);
  assert(lines.length > 0, `not found: ${finding}: ${JSON.stringify(wrong)}`);
  assert(lines.some((line) => words.test(line)), `${words}: ${lines.join("\n")}`);
  assert(wrong.every(({ id }) => id !== "limit"), JSON.stringify(wrong));
  for (const { message, fix } of wrong) assertMatch(fix ?? "", /\w/, `no way out: ${message}`);
  const isOk = wrong.every(({ state }) => state !== "failed");
  assertEquals([answer.ok, code], [isOk, isOk ? 0 : 1]);
}

/** Throws unless nothing is wrong. A machine that is much too busy is asked again: its etcd is slow indeed. */
export async function assertHealthy(host: Patient): Promise<Examined> {
  for (let tries = 1;; tries++) {
    const examined = await examine(host);
    const { checks } = examined.answer;
    const wrong = checks.filter(({ state }) => state !== "ok");
    const isBusy = wrong.some(({ id }) => id === "limit") ||
      wrong.length > 0 && wrong.every(({ message }) => / takes \d+ ms /.test(message));
    if (isBusy && tries < TRIES) continue;
    assertEquals(wrong, []);
    assertEquals(examined.code, 0);
    return examined;
  }
}

/** A machine that is broken on purpose. */
export interface Broken<T> {
  readonly what: string;
  /** Breaks it; returns what mends it, or the words that start `doctor` in the broken place. */
  readonly make: (host: T) => Promise<Mend | Place>;
  /** State and id of the finding, and words of its message and way out. */
  readonly finds: string;
  readonly says: RegExp;
}

type Mend = () => Promise<unknown>;

/** Where `doctor` is started, and what removes the place. */
export interface Place {
  readonly inside: readonly string[];
  readonly end?: Mend;
}

/** Breaks `host` in each of these ways, one after the other. */
export async function findAll<T extends Patient>(
  t: Deno.TestContext,
  host: T,
  machines: readonly Broken<T>[],
): Promise<void> {
  for (const { what, make, finds, says } of machines) {
    await t.step(what, async () => {
      const made = await make(host);
      const { inside, end } = typeof made === "function" ? { inside: [], end: made } : made;
      try {
        assertFound(await examineInTime(host, inside), finds, says);
      } finally {
        await end?.();
      }
    });
  }
}

/** Puts an empty folder over each of these paths of the lab until the end; makes those that are missing. */
export async function coverFolders(...folders: readonly string[]): Promise<AsyncDisposable> {
  const made: string[] = [];
  for (const folder of folders) {
    if (!await Deno.stat(folder).then(() => true, () => false)) {
      await Deno.mkdir(folder);
      made.push(folder);
    }
    await run("mount", ["-t", "tmpfs", "-o", "mode=755", "tmpfs", folder]);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      for (const folder of [...folders].reverse()) await run("umount", [folder]);
      for (const folder of made.reverse()) await Deno.remove(folder);
    },
  };
}
