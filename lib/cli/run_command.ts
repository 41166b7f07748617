// Runs one command of this process: to its end, an error, or an interrupt.

import { FAULT_CODES, faultFrom } from "../util/errors.ts";
import { Interrupt, Interrupted } from "./interrupt.ts";

/** What a command runs with. */
export interface Run {
  readonly interrupt: Interrupt;
  /** Disposed of at the command's end. */
  readonly stack: AsyncDisposableStack;
}

/** Returns the exit code: the command's, of FAULT_CODES, or of a signal. `say` prints what ended it otherwise. */
export async function runCommand(
  command: (run: Run) => Promise<number>,
  say: (message: string) => void,
  interrupt: Interrupt = new Interrupt(),
): Promise<number> {
  const stack = new AsyncDisposableStack();
  stack.use(interrupt);
  try {
    const code = await Promise.race([command({ interrupt, stack }), interrupt.ended]);
    await stack.disposeAsync();
    return code;
  } catch (error) {
    say(error instanceof Interrupted ? error.message : faultFrom(error).message);
    // The process ends now: a server that does not answer is not waited for, nor is a store that is read.
    if (error instanceof Interrupted) return interrupt.code;
    await stack.disposeAsync();
    return interrupt.code || FAULT_CODES[faultFrom(error).code].exit;
  }
}
