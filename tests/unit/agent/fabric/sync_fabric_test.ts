// The loop that keeps uplink and tunnels as desired.

import { assertEquals } from "@std/assert";
import { syncFabric } from "../../../../lib/agent/fabric/fabric_sync.ts";
import { Notifier } from "../../../../lib/util/async/notifier.ts";

Deno.test("the loop ensures after each notification, and ends with its signal", async () => {
  let ensured = 0;
  const [fabricSignal, stop] = [new Notifier(), new AbortController()];
  const loop = syncFabric({
    ...{ fabric: { ensure: () => Promise.resolve(void ensured++) }, fabricSignal },
    ...{ isBroken: () => false, isUnfinished: () => false },
    memoryTrim: { note: () => {} },
  }, stop.signal);
  const turn = () => new Promise((done) => setTimeout(done));
  await turn();
  assertEquals(ensured, 0);
  fabricSignal.notify();
  fabricSignal.notify();
  await turn();
  assertEquals(ensured, 1);
  fabricSignal.notify();
  await turn();
  assertEquals(ensured, 2);
  stop.abort();
  await loop;
  assertEquals(ensured, 2);
});

Deno.test("what is broken is looked at anew every five seconds", async () => {
  const stop = new AbortController();
  const states = [true, true, false];
  const turns: unknown[] = [];
  let turn = 0;
  await syncFabric({
    fabric: { ensure: (options) => Promise.resolve(void turns.push(options?.isFresh)) },
    isBroken: () => states[turn] ?? false,
    fabricSignal: {
      wait: ({ withinMs }: { withinMs: number }) => {
        turns.push(withinMs);
        if (++turn > states.length) stop.abort();
        return Promise.resolve();
      },
    } as unknown as Notifier,
    isUnfinished: () => false,
    memoryTrim: { note: () => {} },
  }, stop.signal);
  assertEquals(turns, [5_000, true, 5_000, true, 60_000, false, 60_000]);
});
