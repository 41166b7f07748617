// A table of broken machines: what is broken, and what the doctor says about it.

import { assert, assertEquals } from "@std/assert";
import type { CheckItem } from "../../../../lib/agent/api/agent_health.ts";
import { examine } from "../../../../lib/agent/doctor/examine_host.ts";
import { contextOf, healthyParts, type Parts } from "./fake_machine.ts";

/** What is broken, the state and id of the finding, and words of its message and fix. */
export type Broken = readonly [
  what: string,
  change: (parts: Parts) => void,
  finding: string,
  message: RegExp,
];

/** Returns what the doctor finds on a healthy machine with one change. */
export async function findings(
  change: (parts: Parts) => void = () => {},
): Promise<readonly CheckItem[]> {
  const parts = healthyParts();
  change(parts);
  const { ok, checks } = await examine(contextOf(parts));
  assertEquals(ok, checks.every(({ state }) => state !== "failed"));
  return checks;
}

/** Makes a test of each. `consequences`: how many other findings follow from what is broken. */
export function testBroken(
  machines: readonly Broken[],
  consequences: Readonly<Record<string, number>> = {},
): void {
  for (const [what, change, finding, message] of machines) {
    Deno.test(`doctor finds ${what}`, async () => {
      const wrong = (await findings(change)).filter(({ state }) => state !== "ok");
      const found = wrong.find(({ id, state }) => `${state} ${id}` === finding);
      assert(found, JSON.stringify(wrong));
      const line = `${found.message}; ${found.fix}`;
      assert(message.test(line), line);
      assertEquals(wrong.length, 1 + (consequences[what] ?? 0), JSON.stringify(wrong));
    });
  }
}

/** A machine without a fault. */
export type Healthy = readonly [what: string, change: (parts: Parts) => void];

/** Makes a test of each. */
export function testHealthy(machines: readonly Healthy[]): void {
  for (const [what, change] of machines) {
    Deno.test(`doctor has no complaint about ${what}`, async () => {
      assertEquals((await findings(change)).filter(({ state }) => state !== "ok"), []);
    });
  }
}
