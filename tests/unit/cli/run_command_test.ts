// How a command ends: by itself, by an error, or by an interrupt, which waits for nothing.

import { assertEquals } from "@std/assert";
import { Interrupt } from "../../../lib/cli/interrupt.ts";
import { type Run, runCommand } from "../../../lib/cli/run_command.ts";
import { Fault } from "../../../lib/util/errors.ts";

async function run(command: (run: Run, ctrlC: () => void) => Promise<number>) {
  const events: string[] = [];
  const listeners = new Set<() => void>();
  const interrupt = new Interrupt({
    add: (name, listener) => void (name === "SIGINT" && listeners.add(listener)),
    remove: (_name, listener) => void listeners.delete(listener),
  });
  const ctrlC = () => [...listeners].forEach((one) => one());
  const code = await runCommand(
    (run) => {
      run.stack.defer(() => void events.push("closed"));
      return command(run, ctrlC);
    },
    (message) => void events.push(message),
    interrupt,
  );
  return [code, ...events, `${listeners.size} listeners`];
}

Deno.test("a command that ends, or fails, is closed, and nobody listens to signals any more", async () => {
  assertEquals(await run(() => Promise.resolve(7)), [7, "closed", "0 listeners"]);
  const fault = new Fault("conflict", "taken");
  assertEquals(await run(() => Promise.reject(fault)), [4, "taken", "closed", "0 listeners"]);
  const code = await run(() => Promise.reject(new Error("odd")));
  assertEquals(code, [1, 'unexpected error: "odd"', "closed", "0 listeners"]);
});

Deno.test("an interrupt ends a command at once, whatever it waits for", async () => {
  const waiting = run((_run, ctrlC) => {
    ctrlC();
    return new Promise(() => {});
  });
  assertEquals(await waiting, [130, "interrupted: nothing was changed", "0 listeners"]);
});

Deno.test("a command that holds the interrupt ends by itself, with its own words and the signal's code", async () => {
  const held = run(async ({ interrupt }, ctrlC) => {
    using _held = interrupt.hold();
    await Promise.resolve();
    ctrlC();
    throw new Fault("failed", "the copy was interrupted");
  });
  assertEquals(await held, [130, "the copy was interrupted", "closed", "0 listeners"]);
  const ended = run(({ interrupt }, ctrlC) => {
    using _held = interrupt.hold();
    ctrlC();
    return Promise.resolve(0);
  });
  assertEquals(await ended, [0, "closed", "0 listeners"]);
});
