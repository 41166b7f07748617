// Ctrl-C and a supervisor's end of a command that goes on until then: the command ends by itself, and says how far it was.

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Returns a signal that aborts when this process is asked to end; a second time ends it at once. */
export function interruptSignal(): Disposable & { readonly signal: AbortSignal } {
  const abort = new AbortController();
  const stop = () => SIGNALS.forEach((name) => Deno.removeSignalListener(name, interrupt));
  const interrupt = () => {
    stop();
    abort.abort();
  };
  for (const name of SIGNALS) Deno.addSignalListener(name, interrupt);
  return { signal: abort.signal, [Symbol.dispose]: stop };
}
