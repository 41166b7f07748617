// Measures the throughput of one TCP stream from pod to pod.

import type { Pod } from "../lab/pod.ts";

/** Where streams are received. */
export const STREAM_PORT = 5_001;

const BYTES = 100 * 1024 * 1024;
const STREAM = new URL("stream.ts", import.meta.url).pathname;

function inPod(pod: Pod, verb: "serve" | "send", ...args: string[]): Deno.ChildProcess {
  const words = [verb, String(STREAM_PORT), ...args];
  return new Deno.Command("ip", {
    args: ["netns", "exec", pod.id, Deno.execPath(), "run", "-A", "--no-check", STREAM, ...words],
    stdout: "piped",
    stderr: "inherit",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
}

/** Returns the throughput of one stream in MB/s. */
export async function throughput(
  from: Pod,
  to: Pod,
  ip: string,
  bytes = BYTES,
): Promise<number> {
  const server = inPod(to, "serve", String(bytes));
  const reader = server.stdout.getReader();
  await reader.read(); // the server listens
  const { stdout } = await inPod(from, "send", ip, String(bytes)).output();
  await reader.cancel();
  await server.status;
  return bytes / 1e6 / (Number(new TextDecoder().decode(stdout)) / 1_000);
}
