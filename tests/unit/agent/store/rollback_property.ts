// Going back, as a property of random histories: it gives back exactly the intent that was there, on any store.

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { IntentStore } from "../../../../lib/agent/store/apply.ts";
import { historyItems } from "../../../../lib/agent/store/revision_history.ts";
import { StoreCache } from "../../../../lib/agent/store/store_cache.ts";
import type { IntentRequest } from "../../../../lib/agent/api/intent_requests.ts";
import type { Documents } from "../../../../lib/intent/records.ts";
import type { Store } from "../../../../lib/store/store.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { brokenPromises } from "../../intent/check_store.ts";
import { anyIntent } from "../../intent/random_intents.ts";

const step = fc.record({
  mode: fc.constantFrom<IntentRequest["mode"]>("add", "replace", "delete", "bindings"),
  text: anyIntent,
});

/** Random applies one after the other, and which of them to go back to, one after the other. */
export const anyHistory = fc.record({
  steps: fc.array(step, { minLength: 2, maxLength: 7 }),
  back: fc.array(fc.nat(20), { minLength: 1, maxLength: 3 }),
});

const BINDINGS = JSON.stringify([{ Container: "c0", Host: "h1" }, { Container: "c2", Host: "h0" }]);

/** Returns the objects of the intent, without the claims and lists that follow from them. */
function objectsOf(documents: Documents): Record<string, unknown> {
  const objects = [...documents].filter(([key]) =>
    /^(clusters|hosts|tenants|networks|endpoints)\//.test(key)
  );
  return Object.fromEntries(objects.map(([key, { value }]) => [key, value]).sort());
}

/** Applies the request; undefined where this store has no room for it, or nothing to bind. */
async function apply(intents: IntentStore, request: IntentRequest): Promise<number | undefined> {
  try {
    return (await intents.apply(request)).revision;
  } catch (error) {
    if (
      error instanceof Fault && ["exhausted", "not_found", "conflict", "usage"].includes(error.code)
    ) {
      return undefined;
    }
    throw error;
  }
}

/** Applies `steps` to the empty `store`, and goes back to each of `back`. */
export async function checkRollback(
  store: Store,
  { steps, back }: { steps: readonly IntentRequest[]; back: readonly number[] },
): Promise<void> {
  const cache = await StoreCache.load(store);
  const intents = new IntentStore(cache, () => "2026-01-01T00:00:00Z");
  const states = new Map<number, Record<string, unknown>>([[0, {}]]);
  const record = (revision: number | undefined) => {
    if (revision !== undefined) states.set(revision, objectsOf(cache.documents));
  };
  for (const { mode, text } of steps) {
    const request = { mode, text: mode === "bindings" ? BINDINGS : text, force: true };
    record(await apply(intents, request));
  }
  for (const which of back) {
    const to = [...states.keys()][which % states.size]!;
    if (to === 0 && states.size === 1) continue;
    record((await intents.apply({ mode: "rollback", text: "", to })).revision);
    assertEquals(objectsOf(cache.documents), states.get(to), `back to ${to}`);
    assertEquals(brokenPromises(cache.documents), []);
    const again = await intents.apply({ mode: "rollback", text: "", to });
    assertEquals(again.operations, []);
  }
  const [last] = historyItems(cache.documents);
  assertEquals(last?.revision, Math.max(...states.keys()) || undefined);
  assertEquals(objectsOf((await StoreCache.load(store)).documents), objectsOf(cache.documents));
}
