// From a claim to an attachment: the order of what is done, and the rollback of what failed.

import { assertEquals, assertRejects } from "@std/assert";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import {
  applyClaim,
  type ApplyClaimDeps,
  type CommittedClaim,
} from "../../../../lib/agent/pods/apply_claim.ts";
import { attachmentKey } from "../../../../lib/agent/store/documents.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { keys } from "../../../../lib/intent/records.ts";
import type { Json } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { createLog } from "../../../../lib/util/log.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

const refused = new Fault("failed", "refused by the test");

function attachment(id: string, more: Partial<AttachmentRecord> = {}): AttachmentRecord {
  return {
    ...{ schema: 1, id, host: "host1", tenant: "t", network: "n", endpoint: "web" },
    ...{ pod: { namespace: "default", name: "web" }, sandbox: "s1", netns: "/run/netns/s1" },
    ...{ netnsInode: 7, interface: "eth0", addresses: ["10.9.0.1/24"], mtu: 1_500 },
    ...{ mac: "02:02:0a:09:00:01", generation: 1, state: "planned" as const },
    ...more,
  };
}

/** What applying works with: it records what is done, and fails where `broken` says so. */
async function start(broken: { readonly at?: string; readonly hasNetwork?: boolean } = {}) {
  const done: string[] = [];
  const act = (what: string) => {
    done.push(what);
    return what === broken.at ? Promise.reject(refused) : Promise.resolve();
  };
  const store = new MemoryStore();
  const network = {
    ...{ schema: 1, tenant: "t", name: "n", encap: "vlan", tag: 100, tagBy: "pool" },
    ...{ subnet: "10.9.0.0/24", subnetBy: "pool" },
  };
  if (broken.hasNetwork ?? true) {
    await store.commit([], [{ key: keys.network("t", "n"), value: network as unknown as Json }]);
  }
  const cache = await StoreCache.load(store);
  let linksGone = () => {};
  const deps: ApplyClaimDeps = {
    store: cache,
    plumbing: {
      apply: (step) => act(step.do),
      detach: async (names) => {
        await act(`detach ${names.join(" ")}`.trim());
        const { promise, resolve } = Promise.withResolvers<void>();
        linksGone = () => (done.push("links gone"), resolve());
        setTimeout(() => linksGone());
        return { linksGone: promise };
      },
      observe: () => Promise.resolve({ rows: [], hostEnds: [] }),
    },
    tags: { tagOf: () => 100 },
    policies: { ensureFor: async (tags) => await act(`policies ${tags().join()}`) },
    fabric: { ensure: () => act("fabric") },
    reach: { ready: () => Promise.resolve(), ensureFor: () => Promise.resolve() },
    clock: { now: () => 0, wallMs: () => 0 },
    log: createLog({ write: () => {} }),
    reconcileSignal: { notify: () => void done.push("notify") },
  };
  return { deps, done, cache, store };
}

/** Commits `attachments` as a claim does. */
async function committed(
  cache: StoreCache,
  attachments: readonly AttachmentRecord[],
  stale: readonly AttachmentRecord[] = [],
): Promise<CommittedClaim> {
  const writes = attachments.map((one) => ({
    key: attachmentKey(one),
    value: one as unknown as Json,
  }));
  await cache.commit(() => ({ checks: [], writes }));
  const persisted = Promise.resolve();
  return { attachments, stale, isNew: true, checks: [], writes, persisted, pendingAs: undefined };
}

const pause = () => new Promise((done) => setTimeout(done));

const stateOf = (cache: StoreCache, one: AttachmentRecord) =>
  (cache.documents.get(attachmentKey(one))?.value as AttachmentRecord | undefined)?.state;

Deno.test("applyClaim() installs policies and fabric before the port, and records ready last", async () => {
  const { deps, done, cache } = await start();
  const one = attachment("a");
  await applyClaim(deps, await committed(cache, [one]));
  assertEquals(done, ["policies 100", "fabric", "attach"]);
  assertEquals(stateOf(cache, one), "ready");
});

Deno.test("applyClaim() ends when its claim survives a power failure, and rolls back one that does not", async () => {
  for (const isPersisted of [true, false]) {
    const { deps, done, cache } = await start();
    const disk = Promise.withResolvers<void>();
    let hasEnded = false;
    const one = attachment("a");
    const claim = { ...await committed(cache, [one]), persisted: disk.promise };
    const applying = applyClaim(deps, claim).finally(() => hasEnded = true);
    while (stateOf(cache, one) !== "ready") await pause();
    await pause();
    assertEquals(hasEnded, false);
    if (isPersisted) disk.resolve();
    else disk.reject(refused);
    if (isPersisted) await applying;
    else assertEquals(await assertRejects(() => applying), refused);
    assertEquals(stateOf(cache, one), isPersisted ? "ready" : undefined);
    assertEquals(done.at(-1), isPersisted ? "attach" : "notify");
  }
});

Deno.test("applyClaim() makes reach beside the port, once the host has its number, and waits for both", async () => {
  const { deps, done, cache } = await start();
  const made = Promise.withResolvers<void>();
  const reach = {
    ready: () => Promise.resolve(void done.push("number")),
    ensureFor: () => (done.push("reach"), made.promise),
  };
  let hasEnded = false;
  const applying = applyClaim({ ...deps, reach }, await committed(cache, [attachment("a")]))
    .then(() => hasEnded = true);
  while (!done.includes("attach")) await pause();
  await pause();
  assertEquals(done, ["policies 100", "fabric", "number", "reach", "attach"]);
  assertEquals(hasEnded, false);
  made.resolve();
  await applying;
});

Deno.test("applyClaim() records ready while ports are added, as soon as the links of all are there", async () => {
  const { deps, cache } = await start();
  const [one, two] = [attachment("a"), attachment("b", { interface: "net1" })];
  const claim = await committed(cache, [one, two]);
  const port = Promise.withResolvers<void>();
  const linked: (() => void)[] = [];
  const apply: ApplyClaimDeps["plumbing"]["apply"] = async (_, onLinked = () => {}) => {
    linked.push(onLinked);
    await port.promise;
  };
  const applying = applyClaim({ ...deps, plumbing: { ...deps.plumbing, apply } }, claim);
  while (linked.length < 2) await pause();
  linked[0]?.();
  linked[0]?.();
  await pause();
  assertEquals([stateOf(cache, one), stateOf(cache, two)], ["planned", "planned"]);
  linked[1]?.();
  await pause();
  assertEquals([stateOf(cache, one), stateOf(cache, two)], ["ready", "ready"]);
  port.resolve();
  await applying;
});

Deno.test("applyClaim() releases what is being recorded as ready where its port fails", async () => {
  const { deps, cache, store } = await start();
  const one = attachment("a");
  const claim = await committed(cache, [one]);
  const slow = Promise.withResolvers<void>();
  const commit = store.commit.bind(store);
  const waiting: Promise<void>[] = [slow.promise];
  const ended: string[] = [];
  store.commit = async (checks, writes) => {
    await waiting.pop();
    const result = await commit(checks, writes);
    ended.push(result.done ? "written" : "conflict");
    return result;
  };
  const apply: ApplyClaimDeps["plumbing"]["apply"] = (_, onLinked = () => {}) => {
    onLinked();
    return Promise.reject(refused);
  };
  const broken = { ...deps, plumbing: { ...deps.plumbing, apply } };
  await assertRejects(() => applyClaim(broken, claim), Fault, "refused by the test");
  slow.resolve();
  while (ended.length < 2) await pause();
  assertEquals(ended, ["written", "conflict"]);
  assertEquals([stateOf(cache, one), await store.get(attachmentKey(one))], [undefined, undefined]);
});

Deno.test("applyClaim() makes only what is missing of an attachment that is ready", async () => {
  const { deps, done, cache } = await start();
  const one = attachment("a", { state: "ready" });
  const observe = () =>
    Promise.resolve({
      ...{ hostEnds: ["cva"], rows: [] },
    });
  const claim = { ...await committed(cache, [one]), isNew: false };
  await applyClaim({ ...deps, plumbing: { ...deps.plumbing, observe } }, claim);
  // Its link is there and its port is not.
  assertEquals(done, ["policies 100", "fabric", "port"]);
});

Deno.test("applyClaim() waits for a stale link to go only where its interface name is wanted again", async () => {
  const stale = attachment("old");
  const same = await start();
  await applyClaim(same.deps, await committed(same.cache, [attachment("new")], [stale]));
  assertEquals(same.done, ["detach cvold", "links gone", "policies 100", "fabric", "attach"]);
  const other = await start();
  const elsewhere = attachment("new", { sandbox: "s2" });
  await applyClaim(other.deps, await committed(other.cache, [elsewhere], [stale]));
  assertEquals(other.done.slice(0, 4), ["detach cvold", "policies 100", "fabric", "attach"]);
});

for (const at of ["policies 100", "fabric", "attach"]) {
  Deno.test(`applyClaim() releases the claim where ${at} fails, and notifies the reconcile loop`, async () => {
    const { deps, done, cache } = await start({ at });
    const one = attachment("a");
    const claim = await committed(cache, [one]);
    await assertRejects(() => applyClaim(deps, claim), Fault, "refused by the test");
    assertEquals(stateOf(cache, one), undefined);
    assertEquals(done.includes("notify"), true);
    assertEquals(done.includes("attach"), at === "attach");
  });
}

Deno.test("applyClaim() releases a claim whose network does not exist any more", async () => {
  const { deps, cache } = await start({ hasNetwork: false });
  const one = attachment("a");
  const claim = await committed(cache, [one]);
  const fault = await assertRejects(() => applyClaim(deps, claim), Fault, "t/n does not exist");
  assertEquals([fault.code, stateOf(cache, one)], ["not_found", undefined]);
});

Deno.test("applyClaim() takes back the attachments that succeeded where another one failed", async () => {
  const { deps, done, cache } = await start();
  const [good, bad] = [attachment("a"), attachment("b", { interface: "net1" })];
  const apply = (step: Parameters<ApplyClaimDeps["plumbing"]["apply"]>[0]) =>
    step.do === "attach" && step.attachment.id === "b"
      ? Promise.reject(refused)
      : deps.plumbing.apply(step);
  const claim = await committed(cache, [good, bad]);
  const broken = { ...deps, plumbing: { ...deps.plumbing, apply } };
  await assertRejects(() => applyClaim(broken, claim), Fault, "refused by the test");
  assertEquals([stateOf(cache, good), stateOf(cache, bad)], [undefined, undefined]);
  assertEquals(done.includes("detach cva"), true);
});

Deno.test("applyClaim() keeps an attachment that was ready before when another one fails", async () => {
  const { deps, cache } = await start({ at: "attach" });
  const [old, fresh] = [
    attachment("a", { state: "ready" }),
    attachment("b", { interface: "net1" }),
  ];
  const observe = () => Promise.resolve({ rows: [], hostEnds: [] });
  const claim = { ...await committed(cache, [old, fresh]), isNew: false };
  await assertRejects(() =>
    applyClaim({ ...deps, plumbing: { ...deps.plumbing, observe } }, claim)
  );
  assertEquals([stateOf(cache, old), stateOf(cache, fresh)], ["ready", undefined]);
});

Deno.test("applyClaim() detaches what it made where its record was removed meanwhile", async () => {
  const { deps, done, cache } = await start();
  const one = attachment("a");
  const claim = await committed(cache, [one]);
  await cache.commit(() => ({
    ...{ checks: [], writes: [{ key: attachmentKey(one), value: undefined }] },
  }));
  const fault = await assertRejects(() => applyClaim(deps, claim), Fault, "was removed");
  assertEquals([fault.code, done.slice(-3, -1)], ["conflict", ["detach cva", "links gone"]]);
});

Deno.test("applyClaim() keeps `ready` for later where the claim is pending", async () => {
  const { deps, cache, store } = await start();
  const one = attachment("a");
  const claim = { ...await committed(cache, [one]), pendingAs: "default/web" };
  store.isUnreachable = true;
  await applyClaim(deps, claim);
  assertEquals([stateOf(cache, one), cache.pendingCount], ["ready", 1]);
});
