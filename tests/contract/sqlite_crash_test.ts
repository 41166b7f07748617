// The SQLite store used by several processes, and killed in the middle of its work.

import { assert, assertEquals } from "@std/assert";
import { openSqlite } from "../../lib/store/sqlite/sqlite.ts";
import type { Store } from "../../lib/store/store.ts";
import { type SqliteBench, startSqlite } from "./sqlite_bench.ts";
import { keysOf } from "./sqlite_writer.ts";
import { randomFrom } from "../lab/random.ts";
import { patient, scaled } from "../lab/limits.ts";

const WRITER = new URL("sqlite_writer.ts", import.meta.url).pathname;
const KILLS = 50;

Deno.test(`after ${KILLS} times kill -9 every answered commit is there, and none by half`, async () => {
  await using bench = await startSqlite();
  await bench.store.close(); // so that the last connection is the one that is killed
  const seed = Number(Deno.env.get("SEED") ?? Date.now() % 1e6);
  console.log(`SEED=${seed}`);
  const random = randomFrom(seed);
  let [first, answered] = [1, 0];
  for (let kill = 0; kill < KILLS; kill++) {
    const numbers = await writeAndKill(bench, first, random() * 60);
    const store = await openSqlite(bench.path);
    first = 1 + await checkWhole(store, numbers, first);
    await store.close();
    answered += numbers.length;
  }
  console.log(`${answered} commits were answered, ${first - 1} begun`);
  assert(answered > KILLS * 7, `only ${answered} commits were answered`);
});

Deno.test("two processes that count to 1,000 each by compare and set lose none", async () => {
  await using bench = await startSqlite();
  const counters = [1, 2].map(() => spawn(bench.path, "increments", 1_000));
  for (const { output } of counters) assertEquals(await text(output()), "done\n");
  assertEquals((await bench.store.get("/n"))?.value, 2_000);
});

Deno.test("a new store made by four processes at once is one store", async () => {
  await using bench = await startSqlite();
  const path = `${bench.folder}/new.db`;
  const counters = [1, 2, 3, 4].map(() => spawn(path, "increments", 25));
  for (const { output } of counters) assertEquals(await text(output()), "done\n");
  const store = await openSqlite(path);
  assertEquals((await store.get("/n"))?.value, 100);
  await store.close();
});

Deno.test("a list is of one revision while another process writes", async () => {
  await using bench = await startSqlite();
  const { child } = spawn(bench.path, "commits", 1);
  const reading = readNumbers(child, () => {});
  const revisions = new Set<number>();
  const end = performance.now() + 10_000;
  while (revisions.size < 200 && performance.now() < end) {
    // Each commit writes /last: the newest document shows which commits the list knows.
    const { entries, revision } = await bench.store.list("/last");
    assertEquals(entries[0]?.revision ?? 0, revision);
    revisions.add(revision);
  }
  child.kill("SIGKILL");
  await child.status;
  await reading;
  assert(revisions.size >= 200, `only ${revisions.size} revisions were seen`);
});

Deno.test("another process's commits are seen within 1 s each, whole and in order", async () => {
  await using bench = await startSqlite();
  const stop = new AbortController();
  const writer = spawn(bench.path, "commits", 1);
  const answered: { n: number; at: number }[] = [];
  const reading = readNumbers(writer.child, (n) => answered.push({ n, at: performance.now() }));
  const seen = new Map<number, number>();
  for await (const batch of bench.store.watch("/last", 0, stop.signal)) {
    assert(batch.kind === "changes");
    for (const { value } of batch.changes) seen.set(Number(value), performance.now());
    if (seen.size > 300) stop.abort();
  }
  writer.child.kill("SIGKILL");
  await reading;
  await writer.child.status;
  const delays = answered.map(({ n, at }) => (seen.get(n) ?? at) - at).sort((a, b) => a - b);
  assert(
    delays[delays.length >> 1]! < scaled(1_000),
    `half of them later than ${delays.at(-1)} ms`,
  );
  assert(delays.at(-1)! < patient(1_000), `one after ${delays.at(-1)} ms`);
  // Commits that share a transaction overwrite /last, but each is reported.
  assertEquals([...seen.keys()], Array.from(seen.keys(), (_, at) => at + 1));
});

function spawn(path: string, what: string, number: number) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", WRITER, path, what, String(number)],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  return { child, output: () => child.output() };
}

// Returns the numbers of the commits that were answered before the end.
async function writeAndKill(bench: SqliteBench, first: number, afterMs: number): Promise<number[]> {
  const { child } = spawn(bench.path, "commits", first);
  const numbers: number[] = [];
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const reading = readNumbers(child, (n) => {
    numbers.push(n);
    resolve();
  });
  await started;
  await new Promise((wake) => setTimeout(wake, afterMs)); // the random moment
  child.kill("SIGKILL");
  await child.status;
  await reading;
  return numbers;
}

// Returns the highest number of a commit that is there.
async function checkWhole(
  store: Store,
  answered: readonly number[],
  first: number,
): Promise<number> {
  const { entries, revision } = await store.list("/k/");
  const byNumber = Map.groupBy(entries, ({ key }) => Number(key.split("/")[2]));
  for (const n of answered) assert(byNumber.has(n), `answered commit ${n} is lost`);
  for (const [n, group] of byNumber) {
    assertEquals(group.map(({ key }) => key), keysOf(n), `commit ${n} is there by half`);
    assertEquals(new Set(group.map((entry) => entry.revision)).size, 1);
  }
  const last = Number((await store.get("/last"))?.value);
  assertEquals(last, Math.max(first - 1, ...byNumber.keys()));
  assertEquals(revision, byNumber.size, "a revision for each commit, no more");
  return last;
}

async function readNumbers(child: Deno.ChildProcess, onNumber: (n: number) => void): Promise<void> {
  let rest = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onNumber(Number(line));
  }
}

async function text(output: Promise<Deno.CommandOutput>): Promise<string> {
  return new TextDecoder().decode((await output).stdout);
}
