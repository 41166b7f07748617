// Committing a claim: to the store, or, while that is unreachable, for later
// where it cannot conflict with another host.

import { assertEquals, assertRejects } from "@std/assert";
import type { Claim } from "../../../../lib/agent/pods/claim.ts";
import { commitClaim } from "../../../../lib/agent/pods/commit_claim.ts";
import { AliasesInFlight } from "../../../../lib/agent/pods/pod_alias.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import type { EndpointRecord } from "../../../../lib/intent/records.ts";
import type { CommitOptions } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";
import { type Failure, MemoryStore } from "../../../memory/memory_store.ts";
import { attachmentOf, documentsOf, endpointOf, HOUR } from "./dynamic_records.ts";

const ATTACHMENT = attachmentOf("web", "10.9.0.1", { endpoint: "web", state: "planned" });
const KEY = `attachments/host1/${ATTACHMENT.sandbox}/eth0`;

/** Claims the endpoint for the attachment. */
const CLAIM: Claim = {
  ...{ attachments: [ATTACHMENT], isNew: true, stale: [] },
  checks: [{ key: KEY, revision: 0 }],
  writes: [{ key: KEY, value: ATTACHMENT }],
};

const persisted = Promise.resolve();

const { dynamic: _, bound, ...BARE } = endpointOf("web", "10.9.0.1");
const ENDPOINT: EndpointRecord = { ...BARE, container: "web" };

async function start({ isShared = true, endpoint = { ...ENDPOINT, bound } as object } = {}) {
  const store = new MemoryStore();
  for (const [key, { value }] of documentsOf()) store.database.put({ [key]: value });
  store.database.put({ "endpoints/t/blue/web": endpoint });
  const cache = await StoreCache.open(store, () => ({ documents: new Map() }), { isShared });
  const log = new MemoryLog();
  const planning = { aliasesInFlight: new AliasesInFlight() };
  let plans = 0;
  return {
    ...{ store, cache, log },
    plans: () => plans,
    commit: (claim: Claim | Fault = CLAIM) =>
      commitClaim({ host: "host1", store: cache, planning, log }, "default/web", () => {
        plans++;
        if (claim instanceof Fault) throw claim;
        return claim;
      }),
  };
}

Deno.test("a claim is committed to the store, and nothing is pending", async () => {
  const { store, cache, log, commit } = await start();
  assertEquals(await commit(), { ...CLAIM, persisted, pendingAs: undefined });
  assertEquals([store.database.documents.has(KEY), cache.pendingCount, log.lines], [true, 0, []]);
});

Deno.test("a claim does not wait until it survives a power failure, which is begun at once", async () => {
  const { store, commit } = await start();
  const asked: unknown[] = [];
  const original = store.commit.bind(store);
  store.commit = (checks, writes, options?: CommitOptions) => {
    asked.push(options?.isProvisional);
    return original(checks, writes);
  };
  store.failNext("persist", "timeout");
  const { persisted } = await commit();
  assertEquals(asked, [true]);
  await assertRejects(() => persisted, Fault);
});

Deno.test("a claim without writes is answered without a commit, even while the store is unreachable", async () => {
  const { store, cache, commit } = await start();
  const revision = store.database.revision;
  store.isUnreachable = true;
  const nothing = { ...CLAIM, checks: [], writes: [] };
  assertEquals(await commit(nothing), { ...nothing, persisted, pendingAs: undefined });
  assertEquals([store.database.revision, cache.pendingCount], [revision, 0]);
});

Deno.test("after a conflict the claim is planned anew on what the store has by then", async () => {
  const { store, plans, commit } = await start();
  store.failNext("commit", "conflict");
  await commit();
  assertEquals([plans(), store.database.documents.has(KEY)], [2, true]);
});

Deno.test("what the plan refuses is refused, and nothing is pending", async () => {
  for (const code of ["conflict", "exhausted", "not_found"] as const) {
    const { cache, commit } = await start();
    const fault = await assertRejects(() => commit(new Fault(code, "refused")), Fault);
    assertEquals([fault.code, cache.pendingCount], [code, 0]);
  }
});

for (const failure of ["unreachable", "timeout"] as const satisfies readonly Failure[]) {
  Deno.test(`a shared store that ends in ${failure}: the claim is kept under its pod and committed later`, async () => {
    const { store, cache, log, commit } = await start();
    store.failNext("commit", failure);
    assertEquals(await commit(), { ...CLAIM, persisted, pendingAs: "default/web" });
    assertEquals([cache.pendingCount, cache.documents.has(KEY)], [1, true]);
    assertEquals(store.database.documents.has(KEY), false);
    assertEquals(log.lines.length, 1);
    assertEquals(log.lines[0]?.includes("pod=default/web"), true);
    assertEquals(await cache.replayPending(), []);
    assertEquals([store.database.documents.has(KEY), cache.pendingCount], [true, 0]);
  });
}

Deno.test("a store of this host alone that is unreachable refuses the claim", async () => {
  const { store, cache, log, commit } = await start({ isShared: false });
  store.isUnreachable = true;
  const fault = await assertRejects(() => commit(), Fault);
  assertEquals([fault.code, cache.pendingCount, log.lines], ["unavailable", 0, []]);
});

/** Whose an endpoint is decides whether a claim on it is kept while the store is unreachable. */
const ENDPOINTS: readonly (readonly [string, object, boolean])[] = [
  ["bound here", { ...ENDPOINT, bound: { host: "host1", generation: 1 } }, true],
  ["pinned here", { ...ENDPOINT, pin: { host: "host1" } }, true],
  ["for this host in the intent", { ...ENDPOINT, host: "host1" }, true],
  ["bound to none", ENDPOINT, false],
  ["bound elsewhere", { ...ENDPOINT, bound: { host: "host2", generation: 1 } }, false],
  ["pinned elsewhere", { ...ENDPOINT, host: "host1", pin: { host: "host2" } }, false],
  [
    "held for a pod that is gone",
    { ...ENDPOINT, bound, dynamic: { pod: "web", rule: "a rule", heldSince: HOUR } },
    false,
  ],
  ["a record that cannot be read", { schema: 99 }, false],
];

for (const [what, endpoint, isKept] of ENDPOINTS) {
  Deno.test(`while the store is unreachable, a claim on an endpoint ${what} is ${isKept ? "kept" : "refused"}`, async () => {
    const { store, cache, commit } = await start({ endpoint });
    store.isUnreachable = true;
    if (isKept) assertEquals((await commit()).pendingAs, "default/web");
    else await assertRejects(() => commit(), Fault, "unreachable");
    assertEquals(cache.pendingCount, isKept ? 1 : 0);
  });
}

Deno.test("one endpoint of several that is not this host's refuses the whole claim", async () => {
  const { store, cache, commit } = await start();
  store.isUnreachable = true;
  const other = { ...ATTACHMENT, id: "id-2", endpoint: "db" };
  const both = { ...CLAIM, attachments: [ATTACHMENT, other] };
  await assertRejects(() => commit(both), Fault, "unreachable");
  assertEquals(cache.pendingCount, 0);
});
