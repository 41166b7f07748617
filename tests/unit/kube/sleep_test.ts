import { assert, assertEquals } from "@std/assert";
import { sleep, Wake } from "../../../lib/kube/sleep.ts";

Deno.test("sleep() ends when its signal aborts, at once where it has", async () => {
  const stopping = new AbortController();
  const sleeping = sleep(60_000, stopping.signal);
  stopping.abort();
  await sleeping;
  await sleep(60_000, stopping.signal);
});

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
