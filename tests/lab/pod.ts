// A pod as the agent sees one where there is no container runtime: a network namespace named by the
// infra container's id.

import { run } from "./run.ts";
import { FACTOR, hangSignal } from "./limits.ts";

/** A namespace that stands for a pod's infra container. */
export interface Pod extends AsyncDisposable {
  readonly namespace: string;
  readonly name: string;
  /** Infra container id, 64 hex digits. */
  readonly id: string;
  /** Runs a command inside; returns its exit code and what it printed. */
  run(cmd: string, ...args: string[]): Promise<{ code: number; text: string }>;
  /** Reports whether one ping is answered, however late: for tests that expect it. */
  reaches(address: string): Promise<boolean>;
  /** Reports whether one ping is answered within a second of the reference machine. */
  pings(address: string): Promise<boolean>;
}

/** How long a ping waits for its answer. It takes whole seconds in all of its versions. */
export const PING_LIMIT = `-W${Math.ceil(FACTOR)}`;

/** Makes a pod's namespace with its loopback up. */
export async function makePod(name: string, namespace = "default"): Promise<Pod> {
  const id = randomHex(64);
  await run("ip", ["netns", "add", id]);
  await run("ip", ["-n", id, "link", "set", "lo", "up"]);
  return podAt(id, name, namespace);
}

/** Returns what is in a namespace that is there, such as a host's, as a pod; it ends with it. */
export function podAt(id: string, name: string, namespace = "default"): Pod {
  const inside = (cmd: string, ...args: string[]) => runInside(id, cmd, args);
  return {
    namespace,
    name,
    id,
    run: inside,
    reaches: (address) => isAnswered(inside, address),
    pings: async (address) => (await inside("ping", "-c1", PING_LIMIT, "-q", address)).code === 0,
    [Symbol.asyncDispose]: async () => {
      await run("ip", ["netns", "del", id]).catch(() => {});
    },
  };
}

type Run = (cmd: string, ...args: string[]) => Promise<{ code: number; text: string }>;

/**
 * Reports whether a ping is answered, however late. The kernel abandons an address after three seconds
 * without an ARP answer: where a machine is so slow that this takes longer, it is tried again.
 */
export async function isAnswered(run: Run, address: string): Promise<boolean> {
  for (let tries = 0; tries < 4; tries++) {
    const { code, text } = await run("ping", "-c1", "-W30", "-q", address);
    if (code === 0) return true;
    if (!/[1-9]\d* errors/.test(text)) return false;
  }
  return false;
}

/** Returns `digits` random lower-case hex digits. */
export function randomHex(digits: number): string {
  const bytes = crypto.getRandomValues(new Uint8Array(Math.ceil(digits / 2)));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("").slice(0, digits);
}

async function runInside(id: string, cmd: string, args: readonly string[]) {
  const { code, stdout, stderr } = await new Deno.Command("ip", {
    args: ["netns", "exec", id, cmd, ...args],
    stdin: "null",
    signal: hangSignal(20_000),
  }).output();
  const decoder = new TextDecoder();
  return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}
