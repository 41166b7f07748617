// Fault injection, for tests: logs every external call of the agent, and kills the agent at, fails, loses or
// hangs the one that a test names. Loaded only if the agent's own environment names a file in
// K8CONTIVNET_FAULT: a user who can set that could as well start another agent.
//
// An external call is a driver's method that returns a promise, or a command. Its name is
// `SCOPE/DRIVER.METHOD#N`: the n-th such call within one setup, teardown or reconciliation. So the list of calls
// is what the code really does: a test records it, and a new call is in it without further work.
//
// The file holds one line, `CALL:MODE`, and is removed when that call comes, just before the fault: a test that
// finds it gone knows that its fault was injected. No file, no fault.

import { AsyncLocalStorage } from "node:async_hooks";
import type { FaultHooks } from "../util/fault_hooks.ts";
import { Fault } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

/** What may happen to a call. `lose`: it is made, and its result does not come back. */
export const MODES = ["kill-before", "kill-after", "fail", "lose", "hang"] as const;

type Mode = typeof MODES[number];

interface Scope {
  readonly name: string;
  readonly counts: Map<string, number>;
}

/** Returns the hooks that inject the faults which the file at `path` names. */
export function openFaultInjection(path: string, log: Log): FaultHooks {
  log.warn("FAULT INJECTION IS ENABLED: this agent fails on demand; never use it in production", {
    file: path,
  });
  return new FaultInjection(path, log);
}

class FaultInjection implements FaultHooks {
  readonly #path: string;
  readonly #log: Log;
  readonly #scopes = new AsyncLocalStorage<Scope>();
  /** Of calls outside of all scopes. */
  readonly #others: Scope = { name: "agent", counts: new Map() };

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  hookDriver<T extends object>(name: string, driver: T, plain: readonly PropertyKey[]): T {
    // Around an empty object: one that is frozen would let a proxy change nothing.
    return new Proxy({} as T, {
      get: (_, key) => {
        const member: unknown = Reflect.get(driver, key, driver);
        if (typeof member !== "function") return member;
        const call = (...args: unknown[]) => member.apply(driver, args);
        if (plain.includes(key)) return call;
        return (...args: unknown[]) => this.hookCall(`${name}.${String(key)}`, () => call(...args));
      },
    });
  }

  hookCall<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { name: scope, counts } = this.#scopes.getStore() ?? this.#others;
    const n = (counts.get(name) ?? 0) + 1;
    counts.set(name, n);
    const call = `${scope}/${name}#${n}`;
    this.#log.info(`external call ${call}`);
    const mode = this.#takeMode(call);
    return mode === undefined ? work() : inject(mode, call, work);
  }

  inScope<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#scopes.run({ name, counts: new Map() }, work);
  }

  /** Returns what is to happen to `call`, once; undefined: nothing. */
  #takeMode(call: string): Mode | undefined {
    const wanted = readOwn(this.#path);
    if (!wanted.startsWith(`${call}:`)) return undefined;
    const mode = MODES.find((one) => wanted === `${call}:${one}`);
    if (mode === undefined) return undefined;
    Deno.removeSync(this.#path);
    this.#log.warn(`fault injected: ${call} ${mode}`);
    return mode;
  }
}

/** Returns the text of the file at `path`; nothing if it is missing or not owned by this user. */
function readOwn(path: string): string {
  try {
    const { uid, isFile } = Deno.lstatSync(path);
    return isFile && uid === Deno.uid() ? Deno.readTextFileSync(path).trim() : "";
  } catch {
    return "";
  }
}

async function inject<T>(mode: Mode, call: string, work: () => Promise<T>): Promise<T> {
  if (mode === "kill-before") die();
  if (mode === "fail") throw injected(call);
  if (mode === "hang") return await new Promise<never>(() => {});
  const result = await work();
  if (mode === "kill-after") die();
  if (mode === "lose") throw injected(call);
  return result;
}

function injected(call: string): Fault {
  return new Fault("unavailable", `external call ${call} failed`, { why: "a test asked for it" });
}

/** Ends this process as kill -9 does: Deno's own kill needs -A, which the packed file never has. */
function die(): void {
  const { symbols } = Deno.dlopen("libc.so.6", { raise: { parameters: ["i32"], result: "i32" } });
  symbols.raise(9);
}
