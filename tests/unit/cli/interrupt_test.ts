// What Ctrl-C and a supervisor's signals make of a command.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Interrupt, Interrupted } from "../../../lib/cli/interrupt.ts";
import { longWork } from "../../../lib/cli/long_work.ts";

/** An interrupt, and what sends it signals; `send` says whether anybody listens. */
function start() {
  const listeners = new Map<string, Set<() => void>>();
  const of = (name: string) => listeners.get(name) ?? new Set();
  const interrupt = new Interrupt({
    add: (name, listener) => void listeners.set(name, of(name).add(listener)),
    remove: (name, listener) => void of(name).delete(listener),
  });
  const send = (name: string): boolean => {
    const now = [...of(name)];
    now.forEach((listener) => listener());
    return now.length > 0;
  };
  return { interrupt, send };
}

Deno.test("a command that is asked to end says that nothing was changed, with the signal's code", async () => {
  for (const [name, code] of [["SIGINT", 130], ["SIGTERM", 143], ["SIGHUP", 129]] as const) {
    const { interrupt, send } = start();
    assertEquals([send(name), interrupt.signal.aborted, interrupt.code], [true, true, code]);
    await assertRejects(() => interrupt.ended, Interrupted, "interrupted: nothing was changed");
    assertEquals([send("SIGINT"), send("SIGTERM")], [false, false], "the system ends it then");
  }
});

Deno.test("during a work its own sentence is said, and afterwards no more", async () => {
  const one = start();
  await one.interrupt.during("half is done", async () => {
    await one.interrupt.during("a quarter is done", () => Promise.resolve());
    one.send("SIGINT");
  });
  await assertRejects(() => one.interrupt.ended, Interrupted, "interrupted: half is done");
  const other = start();
  await other.interrupt.during("half is done", () => Promise.reject(new Error("x"))).catch(
    () => {},
  );
  other.send("SIGINT");
  await assertRejects(() => other.interrupt.ended, Interrupted, "nothing was changed");
});

Deno.test("a command that holds the interrupt ends by itself", async () => {
  const { interrupt, send } = start();
  const ended = Promise.race([interrupt.ended.catch(() => "at once"), Promise.resolve("later")]);
  using _held = interrupt.hold();
  send("SIGTERM");
  assertEquals([await ended, interrupt.signal.aborted], ["later", true]);
});

Deno.test("while an editor has the terminal, Ctrl-C is the editor's, and a supervisor's signal is not", async () => {
  const { interrupt, send } = start();
  await interrupt.leaveTo(() => {
    assertEquals([send("SIGINT"), interrupt.signal.aborted], [true, false]);
    return Promise.resolve();
  });
  assertEquals([send("SIGINT"), interrupt.signal.aborted], [true, true]);
  // The signal that ended the editor may come after its end was noticed.
  const failing = start();
  await failing.interrupt.leaveTo(() => Promise.reject(new Error("130"))).catch(() => {});
  assertEquals([failing.send("SIGINT"), failing.interrupt.signal.aborted], [true, false]);
  failing.interrupt[Symbol.dispose]();
  assertEquals(failing.send("SIGINT"), false);
  const other = start();
  await other.interrupt.leaveTo(() => Promise.resolve(other.send("SIGTERM")));
  assertEquals([other.interrupt.code, other.send("SIGINT")], [143, false]);
});

Deno.test("while a command writes, the system ends it, and nohup keeps it", () => {
  const { interrupt, send } = start();
  const during = interrupt.whileWriting(() => [send("SIGINT"), send("SIGTERM")]);
  assertEquals([during, interrupt.signal.aborted], [[false, false], false]);
  assertThrows(
    () => interrupt.whileWriting(() => assert(false, "a full disk")),
    Error,
    "full disk",
  );
  assertEquals([send("SIGINT"), interrupt.code], [true, 130]);
  interrupt.whileWriting(() => {});
  assertEquals([send("SIGINT"), send("SIGTERM")], [false, false]);
  const other = start();
  assertEquals(other.interrupt.whileWriting(() => other.send("SIGHUP")), true);
});

Deno.test("an interrupt that is disposed of listens no more", () => {
  const { interrupt, send } = start();
  interrupt[Symbol.dispose]();
  assertEquals([send("SIGINT"), send("SIGTERM"), send("SIGHUP")], [false, false, false]);
});

Deno.test("work is reported only where somebody sees it, and no line is left", async () => {
  const { interrupt } = start();
  const silent = longWork({ width: 80 }, interrupt);
  await silent.run({ what: "x" }, (report) => Promise.resolve(assertEquals(report, undefined)));
  const lines: string[] = [];
  const shown = longWork({ width: 80, progress: (line) => void lines.push(line) }, interrupt);
  const value = await shown.run({ what: "x" }, (report) => {
    report?.(1, 2); // within the first second nothing is shown
    return Promise.resolve(7);
  });
  assertEquals([value, lines], [7, [""]]);
});
