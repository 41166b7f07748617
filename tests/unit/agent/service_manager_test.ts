// What the agent reports to its service manager, with a socket and clock of the test.

import { assertEquals } from "@std/assert";
import {
  LoopProgress,
  ServiceManager,
  serviceManagerFrom,
  STUCK_MS,
} from "../../../lib/agent/service_manager.ts";

/** A service manager that runs until `stop()`; `turns()` lets its timers fire. */
function startManager({ watchdogMs, takes = () => true }: {
  readonly watchdogMs?: number;
  readonly takes?: (message: string) => boolean;
}) {
  const sent: string[] = [];
  const errors: string[] = [];
  const time = { nowMs: 0, waitsFor: "reading the store" };
  const progress = new LoopProgress({ now: () => time.nowMs });
  const manager = new ServiceManager({
    send: (message) => (sent.push(message), takes(message)),
    watchdogMs,
    progress,
    startsWith: () => time.waitsFor,
    log: { error: (text) => errors.push(text) },
  });
  const stopping = new AbortController();
  const kept = manager.keep(stopping.signal);
  const stop = async () => {
    stopping.abort();
    await kept;
  };
  return { sent, errors, time, progress, manager, stop };
}

async function until(check: () => boolean): Promise<void> {
  for (let n = 0; !check(); n++) {
    if (n > 3_000) throw new Error("waited in vain");
    await new Promise((done) => setTimeout(done, 10));
  }
}

const READY = "READY=1\nWATCHDOG=1\nSTATUS=ready";
const STOPPING = "STOPPING=1\nSTATUS=stopping";
const STARTING = "EXTEND_TIMEOUT_USEC=60000000\nSTATUS=starting: reading the store";

Deno.test("a start asks for time, then the agent is ready, and at last it stops", async () => {
  const { sent, manager, stop } = startManager({});
  assertEquals(sent, [STARTING]);
  manager.ready();
  await until(() => sent.length > 1);
  await stop();
  assertEquals(sent, [STARTING, READY, STOPPING]);
});

Deno.test("the watchdog gets a sign of life while the loop goes round, and none while it hangs", async () => {
  const { sent, errors, time, progress, manager, stop } = startManager({ watchdogMs: 6 });
  manager.ready();
  await until(() => sent.filter((one) => one === "WATCHDOG=1").length > 2);
  time.nowMs += STUCK_MS;
  await until(() => errors.length > 0);
  const before = sent.length;
  await new Promise((done) => setTimeout(done, 50));
  assertEquals(sent.length, before);
  assertEquals(errors, ["hangs, as nothing went on for 600 s"]);
  progress.note();
  await until(() => sent.length > before);
  await stop();
});

Deno.test("READY=1 that is not taken is sent again", async () => {
  let left = 1;
  const { sent, manager, stop } = startManager({ takes: (one) => one !== READY || left-- <= 0 });
  manager.ready();
  await until(() => sent.filter((one) => one === READY).length > 1);
  await stop();
  assertEquals(sent, [STARTING, READY, READY, STOPPING]);
});

Deno.test("a start that waits for something else goes on", () => {
  const clock = { now: () => nowMs };
  let nowMs = 0;
  const progress = new LoopProgress(clock);
  nowMs = STUCK_MS - 1;
  assertEquals(progress.isStuck, false);
  nowMs = STUCK_MS;
  assertEquals(progress.isStuck, true);
  progress.note();
  assertEquals(progress.isStuck, false);
});

const environments:
  readonly (readonly [Record<string, string>, ReturnType<typeof serviceManagerFrom>])[] = [
    [{}, undefined],
    [{ NOTIFY_SOCKET: "", WATCHDOG_USEC: "1" }, undefined],
    [{ NOTIFY_SOCKET: "/s" }, { socket: "/s", watchdogMs: undefined }],
    [{ NOTIFY_SOCKET: "@s", WATCHDOG_USEC: "60000000" }, { socket: "@s", watchdogMs: 60_000 }],
    [{ NOTIFY_SOCKET: "/s", WATCHDOG_USEC: "9", WATCHDOG_PID: "7" }, {
      socket: "/s",
      watchdogMs: 0.009,
    }],
    [{ NOTIFY_SOCKET: "/s", WATCHDOG_USEC: "9", WATCHDOG_PID: "8" }, {
      socket: "/s",
      watchdogMs: undefined,
    }],
    [{ NOTIFY_SOCKET: "/s", WATCHDOG_USEC: "0" }, { socket: "/s", watchdogMs: undefined }],
    [{ NOTIFY_SOCKET: "/s", WATCHDOG_USEC: "1e9" }, { socket: "/s", watchdogMs: undefined }],
  ];

for (const [env, expected] of environments) {
  Deno.test(`serviceManagerFrom() reads ${JSON.stringify(env)}`, () => {
    assertEquals(serviceManagerFrom((name) => env[name], 7), expected);
  });
}
