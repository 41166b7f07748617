import { assert, assertEquals, assertRejects } from "@std/assert";
import { IntentStore } from "../../../../lib/agent/store/apply.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";
import { brokenPromises } from "../../intent/check_store.ts";
import { isWholeRun } from "../../cases.ts";

/** A store that fails after some commits, as for a client that is killed. */
class FailingStore extends MemoryStore {
  commitsLeft = Infinity;
  commits = 0;

  override beforeCommit = () => {
    if (this.commitsLeft-- <= 0) throw new Fault("unavailable", "killed");
    this.commits++;
  };
}

const intentOf = (endpoints: number, note = ""): string =>
  JSON.stringify({
    Tenants: [{
      Name: "t",
      DefaultNetType: "vlan",
      SubnetPool: "10.0.0.0/8",
      AllocSubnetLen: 20,
      Vlans: "100-200",
      Networks: ["a", "b", "c"].map((Name) => ({
        Name,
        Endpoints: Array.from({ length: endpoints }, (_, n) => ({
          Container: `${Name}${n}`,
          ...note ? { Labels: { note } } : {},
        })),
      })),
    }],
  });

const open = async (store: MemoryStore) =>
  new IntentStore(await StoreCache.load(store), () => "2026-11-26T00:00:00Z");

const below = (store: MemoryStore, prefix: string) => store.database.keysBelow(prefix);

const states = (store: MemoryStore) =>
  below(store, "revisions/").filter((key) => key.split("/").length === 2)
    .map((key) => store.database.get(key)?.state);

Deno.test("apply() stores a long request beside its revision only while it is applied", async () => {
  const store = new FailingStore();
  const text = intentOf(400, 'ä\u{1f9ea}"\\'.repeat(30));
  assert(text.length > 200_000);
  store.commitsLeft = 12;
  await assertRejects(() => open(store).then((one) => one.apply({ mode: "add", text })), Fault);
  assert(below(store, "requests/").length >= 2);
  store.commitsLeft = Infinity;
  const ended = await (await open(store)).finishInterrupted();
  assertEquals(ended, [{ n: 1, isFinished: true }]);
  assertEquals(below(store, "endpoints/").length, 1_200);
  assertEquals(below(store, "requests/"), []);
  assertEquals(states(store), ["interrupted", "done"]);
});

for (const [what, endpoints] of [["short", 40], ["long", 250]] as const) {
  Deno.test(`a ${what} apply that is killed after any commit is finished by the next client, or had not begun`, async () => {
    const text = intentOf(endpoints);
    const whole = new FailingStore();
    await (await open(whole)).apply({ mode: "add", text });
    let begun = 0;
    // The whole run tries each commit.
    const step = isWholeRun ? 1 : Math.ceil(whole.commits / 7);
    for (let cut = 0; cut < whole.commits; cut += step) {
      const store = new FailingStore();
      store.commitsLeft = cut;
      await (await open(store)).apply({ mode: "add", text }).catch(() => {});
      store.commitsLeft = Infinity;
      await (await open(store)).finishInterrupted();
      const count = below(store, "endpoints/").length;
      const all = below(store, "tenants/").length === 0 ? 0 : 3 * endpoints;
      if (all > 0) begun++;
      assertEquals(count, all, `cut after ${cut} commits`);
      assertEquals(brokenPromises(store.database.documents), []);
      assertEquals(states(store).includes("applying"), false);
      assertEquals(below(store, "requests/"), []);
    }
    assert(begun * step > 3, `${begun} of ${whole.commits}`);
  });
}

Deno.test("finishInterrupted() finishes every interrupted apply, once", async () => {
  const store = new FailingStore();
  for (const endpoints of [60, 70]) {
    store.commitsLeft = 3;
    await (await open(store)).apply({ mode: "add", text: intentOf(endpoints) }).catch(() => {});
  }
  store.commitsLeft = Infinity;
  assertEquals((await (await open(store)).finishInterrupted()).map(({ n }) => n), [1, 2]);
  assertEquals(below(store, "endpoints/").length, 210);
  assertEquals(states(store).includes("applying"), false);
  assertEquals(await (await open(store)).finishInterrupted(), []);
});

Deno.test("two applies at once on one store both succeed, with a revision each", async () => {
  const store = new FailingStore();
  const [one, two] = [await open(store), await open(store)];
  const answers = await Promise.all([
    one.apply({ mode: "add", text: intentOf(250) }),
    two.apply({ mode: "add", text: intentOf(250).replaceAll('"Name":"t"', '"Name":"u"') })
      .catch((error) => error.message),
  ]);
  // The second tenant needs VLANs, too: after a conflict it plans again.
  assertEquals(answers.map((one) => one.revision).sort(), [1, 2]);
  assertEquals(below(store, "endpoints/").length, 1_500);
  assertEquals(brokenPromises(store.database.documents), []);
  assertEquals(states(store), ["done", "done"]);
});
