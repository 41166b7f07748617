// Many hosts at the level of the store: each takes its label, applies an intent of its own that wants an
// address of one of ten pools, and binds an endpoint that waits for it; all at the same time, by
// the product's own code. A rack of them shares one view of the store, as a watch keeps it fresh.

import { IntentStore } from "../../lib/agent/store/apply.ts";
import { StoreCache } from "../../lib/agent/store/store_cache.ts";
import { Presence } from "../../lib/agent/store/presence.ts";
import {
  addressFinderOf,
  claimEndpointFor,
  withDynamicEndpoint,
} from "../../lib/agent/pods/dynamic_endpoint_claim.ts";
import { noPodMetadata, unknownPod } from "../../lib/agent/pods/pod_metadata.ts";
import { keys, SCHEMA } from "../../lib/intent/records.ts";
import { planClaim } from "../../lib/agent/pods/claim.ts";
import { chooseEndpoints } from "../../lib/intent/bind.ts";
import { openStore } from "../../lib/store/open_store.ts";
import type { Check, Store, Write } from "../../lib/store/store.ts";

const RACKS = 10;
const POOLS = 10;

/** What it took a crowd of hosts. */
export interface CrowdFigures {
  readonly hosts: number;
  readonly tookMs: number;
  /** Commits that were tried for each address, on average; one of them was done. */
  readonly tries: number;
  readonly mostTries: number;
}

const tenantOf = (networks: readonly unknown[]) => ({
  Tenants: [{
    Name: "crowd",
    DefaultNetType: "vxlan",
    SubnetPool: "10.0.0.0/8",
    AllocSubnetLen: 16,
    Vxlans: "10000-12000",
    Networks: networks,
  }],
});

/** Lets `hosts` hosts join in the store at `url`, which is empty; returns what it took them. */
export async function gatherCrowd(url: string, hosts: number): Promise<CrowdFigures> {
  await using stack = new AsyncDisposableStack();
  const tries = new Map<string, number>();
  const racks = await Promise.all(
    Array.from({ length: RACKS }, async () => stack.use(await startRack(url, tries))),
  );
  const waiting = Array.from({ length: hosts }, (_, n) => ({ Container: `waits${n}` }));
  const pools = Array.from({ length: POOLS }, (_, n) => ({ Name: `pool${n}` }));
  const base = tenantOf([...pools, { Name: "late", Endpoints: waiting }]);
  await racks[0]!.apply(base);
  await Promise.all(racks.map(({ mirror }) => mirror.catchUp()));
  tries.clear();
  const start = performance.now();
  await Promise.all(Array.from({ length: hosts }, (_, n) => join(racks[n % RACKS]!, n)));
  return figuresOf(tries, hosts, performance.now() - start);
}

function figuresOf(
  tries: ReadonlyMap<string, number>,
  hosts: number,
  tookMs: number,
): CrowdFigures {
  const counts = [...tries.values()];
  return {
    hosts,
    tookMs,
    tries: counts.reduce((sum, one) => sum + one, 0) / counts.length,
    mostTries: Math.max(...counts),
  };
}

/** Hosts that share one view of the store. */
interface Rack extends AsyncDisposable {
  readonly mirror: StoreCache;
  apply(intent: unknown): Promise<unknown>;
}

async function startRack(url: string, tries: Map<string, number>): Promise<Rack> {
  const store = counting(await openStore(url, { limitMs: 60_000 }), tries);
  const mirror = await StoreCache.load(store);
  const stop = new AbortController();
  const following = mirror.follow(stop.signal, () => {});
  // Each host has its own line of applies, as it would have in an agent of its own.
  const apply = (intent: unknown) =>
    new IntentStore(mirror, () => new Date().toISOString())
      .apply({ mode: "add", text: JSON.stringify(intent) });
  const dispose = async () => {
    stop.abort();
    await following;
    await store.close();
  };
  return { mirror, apply, [Symbol.asyncDispose]: dispose };
}

/** Counts the commits that are tried for each endpoint. */
function counting(store: Store, tries: Map<string, number>): Store {
  const commit = (checks: readonly Check[], writes: readonly Write[]) => {
    for (const { key } of writes) {
      if (key.startsWith("endpoints/")) tries.set(key, (tries.get(key) ?? 0) + 1);
    }
    return store.commit(checks, writes);
  };
  return {
    get: (key) => store.get(key),
    list: (prefix) => store.list(prefix),
    count: (prefixes) => store.count(prefixes),
    watch: (prefix, revision, signal) => store.watch(prefix, revision, signal),
    persist: () => store.persist(),
    watermark: () => store.watermark(),
    close: () => store.close(),
    commit,
  };
}

async function join({ mirror, apply }: Rack, n: number): Promise<void> {
  const host = `host${n}`;
  const self = { host, instance: n.toString(16).padStart(16, "0"), version: "1" };
  const clock = () => new Date().toISOString();
  const options = { self, beatMs: 10_000, takeOver: false, mtu: () => 1_500, clock };
  await new Presence(mirror, { ...options, pause: () => Promise.resolve() }).take();
  await apply(tenantOf([{ Name: `pool${n % POOLS}`, Endpoints: [{ Container: `own${n}` }] }]));
  await bind(mirror, host, `waits${n}`);
}

/** What a set-up commits for a pod, without the pod. */
async function bind(mirror: StoreCache, host: string, pod: string): Promise<void> {
  const sandbox = pod.replace(/\D/g, "").padStart(64, "0");
  const placement = { host, namespace: "default", pod, sandbox };
  const place = {
    ...{ host, sandbox, netns: `/run/netns/${sandbox}`, netnsInode: 1 },
    pod: { namespace: "default", name: pod },
  };
  await mirror.commit((documents) => {
    const choices = chooseEndpoints(documents, placement);
    return planClaim(documents, place, choices, {
      newId: () => sandbox.slice(-11),
      mtuOf: () => 1_450,
      isAliasTaken: () => false,
    });
  });
}

/**
 * Lets `hosts` hosts each take an address of one network in the same moment, as set-ups do for pods that no endpoint
 * names: all have decided before the first has committed. The store at `url` is empty.
 */
export async function takeAddressesAtOnce(url: string, hosts: number): Promise<CrowdFigures> {
  await using stack = new AsyncDisposableStack();
  const tries = new Map<string, number>();
  const racks = await Promise.all(
    Array.from({ length: RACKS }, async () => stack.use(await startRack(url, tries))),
  );
  await racks[0]!.apply(tenantOf([{ Name: "wide", Default: true }]));
  for (let at = 0; at < hosts; at += BATCH) {
    const labels = Array.from({ length: Math.min(BATCH, hosts - at) }, (_, n) => `host${at + n}`);
    const presences = labels.map((host) => ({
      key: keys.presence(host),
      value: { schema: SCHEMA, host, instance: "0".repeat(16), version: "1", beat: 1 },
    }));
    await racks[0]!.mirror.tryCommit([], presences);
  }
  await Promise.all(racks.map(({ mirror }) => mirror.catchUp()));
  tries.clear();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: hosts }, (_, n) => takeAddress(racks[n % RACKS]!, `host${n}`)),
  );
  return figuresOf(tries, hosts, performance.now() - start);
}

const BATCH = 90;

/** What a set-up commits for a pod that no endpoint names, without the pod. */
async function takeAddress({ mirror: store }: Rack, host: string): Promise<void> {
  const sandbox = host.replace(/\D/g, "").padStart(64, "0");
  const pod = unknownPod({ namespace: "default", name: `on-${host}` });
  const place = {
    ...{ host, sandbox, netns: `/run/netns/${sandbox}`, netnsInode: 1 },
    pod: { namespace: pod.namespace, name: pod.name },
  };
  const deps = {
    ...{ host, store, podMetadata: noPodMetadata, addressesInFlight: new Set<string>() },
    addressFinder: addressFinderOf({ host, store, now: () => performance.now() }),
  };
  const dynamic = await claimEndpointFor(deps, { pod, interface: "eth0" });
  if ("why" in dynamic) throw new Error(dynamic.why);
  await store.commit((documents) => {
    const endpoint = dynamic.plan(documents);
    const claim = planClaim(documents, place, [endpoint.choice], {
      ...{ newId: () => sandbox.slice(-11), mtuOf: () => 1_450, isAliasTaken: () => false },
    });
    return withDynamicEndpoint(documents, claim, endpoint, 0);
  });
}
