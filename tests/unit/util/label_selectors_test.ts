import { assertEquals } from "@std/assert";
import {
  isLabelKey,
  isLabelValue,
  type LabelSelector,
  NONE,
  selectorMatchesKnown,
  UNKNOWN,
} from "../../../lib/util/label_selectors.ts";

const WHOLE = { values: { app: "web", tier: "" }, isComplete: true };
const PART = { values: { app: "web" }, isComplete: false };

const is = (
  operator: "In" | "NotIn" | "Exists" | "DoesNotExist",
  key: string,
  ...values: string[]
) => ({ matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }] });

// Verdicts on labels that are all known, known in part, known to be none, and not known.
const cases: readonly (readonly [LabelSelector, ...(boolean | undefined)[]])[] = [
  [{}, true, true, true, true],
  [{ matchLabels: { app: "web" } }, true, true, false, undefined],
  [{ matchLabels: { app: "db" } }, false, false, false, undefined],
  [{ matchLabels: { tier: "" } }, true, undefined, false, undefined],
  [{ matchLabels: { app: "web", zone: "a" } }, false, undefined, false, undefined],
  [is("In", "app", "db", "web"), true, true, false, undefined],
  [is("In", "app", "db"), false, false, false, undefined],
  [is("NotIn", "app", "db"), true, true, true, undefined],
  [is("NotIn", "app", "web"), false, false, true, undefined],
  [is("NotIn", "zone", "a"), true, undefined, true, undefined],
  [is("Exists", "app"), true, true, false, undefined],
  [is("Exists", "zone"), false, undefined, false, undefined],
  [is("DoesNotExist", "app"), false, false, true, undefined],
  [is("DoesNotExist", "zone"), true, undefined, true, undefined],
  // What all objects in JavaScript inherit is not a label of the pod.
  [is("Exists", "constructor"), false, undefined, false, undefined],
  [{ matchLabels: { app: "web" }, ...is("Exists", "zone") }, false, undefined, false, undefined],
  [{ matchLabels: { app: "db" }, ...is("Exists", "zone") }, false, false, false, undefined],
];

for (const [selector, ...want] of cases) {
  Deno.test(`selectorMatchesKnown() says what ${JSON.stringify(selector)} matches, and where that is not known`, () => {
    const marks = [WHOLE, PART, NONE, UNKNOWN];
    assertEquals(marks.map((one) => selectorMatchesKnown(selector, one)), want);
  });
}

Deno.test("isLabelKey() and isLabelValue() take what Kubernetes takes", () => {
  const keys = ["a", "io.contiv.network", "a.b/c_d-E.1", "0", `${"x".repeat(63)}`];
  assertEquals(keys.filter((one) => !isLabelKey(one)), []);
  const none = ["", "-a", "a-", "a b", "a/b/c", "/a", "a/", "A.b/c", "x".repeat(64), "a\n", "é"];
  assertEquals(none.filter(isLabelKey), []);
  assertEquals(["", "web", "1.2_3-x"].filter((one) => !isLabelValue(one)), []);
  assertEquals([" ", "-", "a/b", "x".repeat(64), "a\n"].filter(isLabelValue), []);
});
