import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { IndexedDocuments } from "../../../lib/intent/indexed_documents.ts";
import { planChange } from "../../../lib/intent/partial_plan.ts";
import { planIntent } from "../../../lib/intent/plan.ts";
import type { Plan } from "../../../lib/intent/plan/operation.ts";
import type { Change } from "../../../lib/intent/plan/desired_intent.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { network, vlanTenant } from "./files.ts";
import { IntentDatabase } from "./intent_database.ts";
import { anyIntent } from "./random_intents.ts";
import { cases, runs } from "../cases.ts";

function outcome(plan: () => Plan): Plan | string {
  try {
    return plan();
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}

const indexed = (store: IntentDatabase) => {
  const documents = new IndexedDocuments();
  for (const [key, document] of store.documents) documents.set(key, document);
  return documents;
};

/** A part of a file: some endpoints of it with other words, as a delta is written. */
const part = (text: string, picks: readonly number[]) => {
  const file = JSON.parse(text);
  const tenants = (file.Tenants ?? []).filter((_: unknown, n: number) =>
    picks[n % picks.length]! % 3
  );
  for (const tenant of tenants) {
    for (const [n, one] of (tenant.Networks ?? []).entries()) {
      if (picks[n % picks.length]! % 2) {
        one.Endpoints = [...one.Endpoints, { Container: `new${n}` }];
      }
    }
  }
  return JSON.stringify({ ...file, Tenants: tenants });
};

Deno.test("planChange() returns what planIntent() returns, whether it looks at all or at a part", () => {
  const mode = fc.constantFrom<Change["mode"]>("add", "add", "add", "replace", "delete");
  let changing = 0;
  fc.assert(
    fc.property(anyIntent, anyIntent, fc.boolean(), fc.array(fc.nat(9), { minLength: 3 }), mode, (
      from,
      other,
      isDelta,
      picks,
      mode,
    ) => {
      const store = new IntentDatabase();
      store.applyFile("replace", from);
      const change = { mode, intent: parseIntent(isDelta ? part(from, picks) : other).intent };
      const full = outcome(() => planIntent(store.documents, change));
      assertEquals(outcome(() => planChange(indexed(store), change)), full);
      if (isDelta && typeof full !== "string" && full.operations.length > 0) changing++;
    }),
    runs(300),
  );
  assert(changing > cases(30), `${changing}`);
});

Deno.test("planChange() costs no more for an endpoint in a store of ten thousand than a part of them all", () => {
  const store = new IntentDatabase();
  const names = (prefix: string) => Array.from({ length: 200 }, (_, n) => `${prefix}p${n}`);
  const nets = Array.from({ length: 50 }, (_, n) => network(`n${n}`, names(`n${n}`)));
  store.applyFile("add", vlanTenant(nets, { Vlans: "11-100" }));
  const documents = indexed(store);
  const change: Change = {
    mode: "add",
    intent: parseIntent(JSON.stringify(vlanTenant([network("n7", ["more"])], { Vlans: "11-100" })))
      .intent,
  };
  const timed = (plan: () => Plan) => {
    const start = performance.now();
    assertEquals(plan().operations.map(({ name }) => name), ["one/n7/more"]);
    return performance.now() - start;
  };
  const least = (plan: () => Plan) => Math.min(...[1, 2, 3].map(() => timed(plan)));
  const [narrow, full] = [
    least(() => planChange(documents, change)),
    least(() => planIntent(documents, change)),
  ];
  assert(narrow < full / 3, `${narrow} ms of ${full} ms`);
});
