import { assert, assertEquals } from "@std/assert";
import { Notifier } from "../../../../lib/util/async/notifier.ts";

Deno.test("wait() takes all notifications since the last wait for one, also earlier ones", async () => {
  const { signal } = new AbortController();
  const notifier = new Notifier();
  notifier.notify();
  notifier.notify();
  await notifier.wait({ signal });
  let isOver = false;
  const waiting = notifier.wait({ signal }).then(() => isOver = true);
  await Promise.resolve();
  assertEquals(isOver, false);
  notifier.notify();
  await waiting;
  assert(isOver);
});

Deno.test("wait() ends when its signal aborts", async () => {
  const stopping = new AbortController();
  const waiting = new Notifier().wait({ signal: stopping.signal });
  stopping.abort();
  await waiting;
});

Deno.test("wait() ends after withinMs without a notification", async () => {
  await new Notifier().wait({ withinMs: 1, signal: new AbortController().signal });
});
