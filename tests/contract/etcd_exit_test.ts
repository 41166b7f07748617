// A process that has closed its store ends by itself, and soon.

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { Etcd } from "../lab/etcd.ts";
import { type EtcdBenchOptions, startEtcdBench } from "./etcd_bench.ts";
import { hangSignal, patient, scaled } from "../lab/limits.ts";

const CLIENT = fromFileUrl(new URL("./etcd_client.ts", import.meta.url));

const ways: readonly (readonly [way: string, options: EtcdBenchOptions])[] = [
  ["gateway", { tls: "server", password: "first words" }],
  ["etcd3", { tls: "mutual", password: "first words", withCertificate: true }],
];

/** What the etcd does while the process runs, and how long it may take from close() to its end. */
const states: readonly (readonly [state: string, act: (etcd: Etcd) => unknown, limitMs: number])[] =
  [
    ["serves", () => {}, 1_000],
    ["is down", (etcd) => etcd.kill(), 1_000],
    ["hangs", (etcd) => etcd.freeze(), 1_500],
  ];

for (const [way, options] of ways) {
  for (const [state, act, limitMs] of states) {
    Deno.test(`by ${way}, a process ends by itself after close() while etcd ${state}`, async () => {
      await using bench = await startEtcdBench({ ...options, limitMs: scaled(500) });
      await act(bench.etcd);
      const { lines, lingeredMs } = await runClient(bench.etcd.url(), bench.options);
      assertEquals(lines[0], "etcd store is closed");
      assert(/^closed in \d+ ms$/.test(lines[1] ?? ""), lines.join("\n"));
      assert(lingeredMs < patient(limitMs), `ended ${lingeredMs} ms after close()`);
      bench.etcd.thaw();
    });
  }
}

async function runClient(
  url: string,
  options: unknown,
): Promise<{ lines: string[]; lingeredMs: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", CLIENT, url, JSON.stringify(options)],
    stdout: "piped",
    signal: hangSignal(20_000),
  }).spawn();
  let closedAt = 0;
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("closed")) closedAt ||= performance.now();
  }
  const { success } = await child.status;
  assert(success, text);
  return { lines: text.split("\n"), lingeredMs: performance.now() - closedAt };
}
