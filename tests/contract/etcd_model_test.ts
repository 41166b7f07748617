// Random commits by two clients while etcd's members are killed, stood still and compacted: a watch
// reports every commit once and nothing else, and all end with the same documents.

import { assert, assertEquals } from "@std/assert";
import { openStore } from "../../lib/store/open_store.ts";
import type { Store, Write } from "../../lib/store/store.ts";
import { Fault } from "../../lib/util/errors.ts";
import type { Etcd } from "../lab/etcd.ts";
import { waitFor } from "../lab/wait.ts";
import { type EtcdBench, type EtcdBenchOptions, startEtcdBench } from "./etcd_bench.ts";
import { type AnsweredCommit, compare, follow, persist, type Watched } from "./etcd_model.ts";
import { FACTOR, scaled } from "../lab/limits.ts";

const ROOT = "/contiv.io/k8contivnet/v1/";
const RUN_MS = 15_000;
const LIMIT_MS = scaled(1_000);

type Random = (below: number) => number;

const ways: readonly (readonly [way: string, options: EtcdBenchOptions])[] = [
  ["gateway", {}],
  ["etcd3", { tls: "mutual", password: "first words", withCertificate: true }],
];

for (const [way, options] of ways) {
  Deno.test(`by ${way}, no event is lost or invented, whatever etcd's members do`, async () => {
    const seed = Number(Deno.env.get("K8CONTIVNET_SEED") ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`seed ${seed}; K8CONTIVNET_SEED=${seed} repeats its choices`);
    await using bench = await startEtcdBench({ ...options, members: 3, limitMs: LIMIT_MS });
    await runModel(bench, seed);
  });
}

async function runModel(bench: EtcdBench, seed: number): Promise<void> {
  const { etcd, store } = bench;
  const stop = new AbortController();
  const answered: AnsweredCommit[] = [];
  const watched: Watched = { groups: new Map(), gaps: [], state: new Map() };
  const following = follow(store, stop.signal, watched);
  const clients = await Promise.all([0, 1].map((at) => openTurned(bench, at)));
  const end = performance.now() + RUN_MS;
  const writing = clients.map((client, at) =>
    write(client, at, randomOf(seed + at), end, answered)
  );
  // Each is awaited below; what fails first is what is reported.
  for (const one of [following, ...writing]) one.catch(() => {});
  const deeds = await disturb(etcd, randomOf(seed + 7), end);
  await Promise.all(writing);
  await persist(() => store.commit([], [{ key: "end", value: "end" }]));
  answered.push({ writes: [{ key: "end", value: "end" }], revision: undefined });
  await waitFor("the last commit to be reported", () => watched.state.get("end") === "end");
  stop.abort();
  await following;
  compare(answered, watched);
  const held = [...await etcd.read(ROOT)].filter(([key]) => !key.includes("\0"))
    .map(([key, value]) => [key.slice(ROOT.length), JSON.parse(value)]).sort();
  assertEquals([...watched.state].sort(), held, "etcdctl reads what was watched");
  const known = answered.filter(({ revision }) => revision !== undefined).length;
  console.log(`${known} commits done, ${answered.length - known} not known; ${deeds}`);
  assert(known > 100 / FACTOR, "hardly anything was written");
  await Promise.all(clients.map((client) => client.close()));
}

// Each client begins with another member.
async function openTurned({ etcd, options }: EtcdBench, by: number): Promise<Store> {
  const turned = [...etcd.endpoints.slice(by), ...etcd.endpoints.slice(0, by)];
  return await openStore(etcd.url().replace(etcd.endpoints.join(","), turned.join(",")), options);
}

async function write(
  store: Store,
  client: number,
  random: Random,
  end: number,
  answered: AnsweredCommit[],
): Promise<void> {
  for (let round = 0; performance.now() < end; round++) {
    const writes = randomWrites(random, `${client}.${round}`);
    const checks = [];
    if (random(3) === 0) {
      const { key } = writes[0]!;
      checks.push({ key, revision: (await persist(() => store.get(key)))?.revision ?? 0 });
    }
    try {
      const result = await store.commit(checks, writes);
      if (result.done) answered.push({ writes, revision: result.revision });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.what.includes("may or may not have applied a commit")) {
        answered.push({ writes, revision: undefined });
      } else assert(["unavailable", "timeout"].includes(error.code), error.message);
    }
  }
}

// Each value is written once only, so that an invention would show.
function randomWrites(random: Random, name: string): Write[] {
  const keys = new Set(Array.from({ length: 1 + random(4) }, () => `k/${random(12)}`));
  const isDeletion = random(6) === 0;
  return [...keys].map((key, at) => ({
    key,
    value: isDeletion || (at > 0 && random(4) === 0) ? undefined : `${name}.${at}`,
  }));
}

async function disturb(etcd: Etcd, random: Random, end: number): Promise<string> {
  const counts = new Map<string, number>();
  const deeds: Readonly<Record<string, () => Promise<void>>> = {
    killed: async () => {
      const member = random(3);
      await etcd.kill(member);
      await pause(random(800));
      await etcd.start(member);
    },
    "killed all": async () => {
      await Promise.all([0, 1, 2].map((member) => etcd.kill(member)));
      await etcd.startAll();
    },
    frozen: async () => {
      const member = random(3);
      etcd.freeze(member);
      await pause(random(2_500));
      etcd.thaw(member);
    },
    compacted: async () => {
      // etcdctl may meet a change of leaders.
      const look = () => etcd.compact().then(() => true, () => false);
      await waitFor("etcd to be compacted", look, { limitMs: 30_000 });
    },
  };
  const names = Object.keys(deeds);
  while (performance.now() < end) {
    const name = names[random(names.length)]!;
    await deeds[name]!();
    counts.set(name, (counts.get(name) ?? 0) + 1);
    await etcd.isHealthy(30_000);
    await pause(random(300));
  }
  return [...counts].map(([name, count]) => `${name} ${count} times`).join(", ");
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

// mulberry32: small, and the same numbers from the same seed.
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32 * below);
  };
}
