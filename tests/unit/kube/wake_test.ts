import { assert, assertEquals } from "@std/assert";
import { Wake } from "../../../lib/kube/wake.ts";

Deno.test("rung() takes all rings since the last wait for one, also those before it", async () => {
  const { signal } = new AbortController();
  const wake = new Wake();
  wake.ring();
  wake.ring();
  await wake.rung(signal);
  let isRung = false;
  const waiting = wake.rung(signal).then(() => isRung = true);
  await Promise.resolve();
  assertEquals(isRung, false);
  wake.ring();
  await waiting;
  assert(isRung);
});

Deno.test("rung() ends when its signal aborts", async () => {
  const stopping = new AbortController();
  const waiting = new Wake().rung(stopping.signal);
  stopping.abort();
  await waiting;
});
