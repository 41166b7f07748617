// Intents of one part, and the test that parseIntent() refuses them.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";

/** Returns an intent of one tenant with these fields. */
export function inTenant(fields: string): string {
  return `{"Tenants":[{"Name":"t",${fields}}]}`;
}

/** Returns an intent of one network with these fields. */
export function inNetwork(fields: string): string {
  return inTenant(`"Networks":[{"Name":"n",${fields}}]`);
}

/** Returns an intent of one endpoint with these fields. */
export function inEndpoint(fields: string): string {
  return inNetwork(`"Endpoints":[{"Container":"c",${fields}}]`);
}

/** Returns an intent of one rule with these fields. */
export function inRule(fields: string): string {
  return inTenant(`"Policies":[{"Name":"p","Rules":[{"Id":"1","Action":"deny",${fields}}]}]`);
}

/** A text that is not a valid intent, and parts of the message about it. */
export type Refusal = readonly [text: string, ...says: string[]];

/** Tests that parseIntent() refuses each text in one line of at most 200 characters that has all parts. */
export function testRefusals(refused: readonly Refusal[]): void {
  for (const [text, ...says] of refused) {
    Deno.test(`parseIntent() refuses ${text.slice(0, 150) || "nothing at all"}`, () => {
      const fault = assertThrows(() => parseIntent(text), Fault);
      assertEquals(fault.code, "usage");
      for (const words of says) assertStringIncludes(fault.message, words);
      assert(fault.message.length <= 200, fault.message);
      assert(!fault.message.includes("\n"));
    });
  }
}
