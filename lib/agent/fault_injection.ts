// Fault injection, for tests: wraps the agent's drivers, logs every step that they make, and kills, fails,
// loses or hangs the requested one. Loaded only if the agent's environment names a file in
// K8CONTIVNET_FAULT: anyone who can set that could as well start another agent.
//
// A step is a call of a driver that returns a promise, or a command. Its name is
// `SCOPE/DRIVER.METHOD#N`: the n-th such call within one setup, teardown or reconciliation. So the list
// of steps is what the code really does: a test records it, and a new step is in it by itself.
//
// The file contains one line, `STEP:MODE`, and is removed when its step comes, just before the fault: so
// a test sees that its fault was injected. No file, no fault.

import { AsyncLocalStorage } from "node:async_hooks";
import type { Between } from "../util/fault_hooks.ts";
import { Fault } from "../util/errors.ts";
import type { Log } from "../util/log.ts";

/** What may happen to a step. `lose`: it is done, but its answer is lost. */
export const MODES = ["kill-before", "kill-after", "fail", "lose", "hang"] as const;

type Mode = typeof MODES[number];

interface Scope {
  readonly name: string;
  readonly counts: Map<string, number>;
}

/** Returns hooks that inject the fault in the file at `path`. */
export function openFaultInjection(path: string, log: Log): Between {
  log.warn("FAULT INJECTION IS ENABLED: this agent fails on demand; never use it in production", {
    file: path,
  });
  return new FaultInjector(path, log);
}

class FaultInjector implements Between {
  readonly #path: string;
  readonly #log: Log;
  readonly #scopes = new AsyncLocalStorage<Scope>();
  readonly #others: Scope = { name: "agent", counts: new Map() };

  constructor(path: string, log: Log) {
    this.#path = path;
    this.#log = log;
  }

  edge<T extends object>(name: string, driver: T, plain: readonly PropertyKey[]): T {
    // Around an empty object: a proxy of a frozen object could not return other members.
    return new Proxy({} as T, {
      get: (_, key) => {
        const member: unknown = Reflect.get(driver, key, driver);
        if (typeof member !== "function") return member;
        const call = (...args: unknown[]) => member.apply(driver, args);
        if (plain.includes(key)) return call;
        return (...args: unknown[]) => this.step(`${name}.${String(key)}`, () => call(...args));
      },
    });
  }

  step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const { name: scope, counts } = this.#scopes.getStore() ?? this.#others;
    const n = (counts.get(name) ?? 0) + 1;
    counts.set(name, n);
    const step = `${scope}/${name}#${n}`;
    this.#log.info(`outside step ${step}`);
    const mode = this.#takeMode(step);
    return mode === undefined ? work() : inject(mode, step, work);
  }

  scope<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#scopes.run({ name, counts: new Map() }, work);
  }

  /** Returns the fault for `step`, once; undefined for none. */
  #takeMode(step: string): Mode | undefined {
    const line = readOwn(this.#path);
    if (!line.startsWith(`${step}:`)) return undefined;
    const mode = MODES.find((one) => line === `${step}:${one}`);
    if (mode === undefined) return undefined;
    Deno.removeSync(this.#path);
    this.#log.warn(`fault injected: ${step} ${mode}`);
    return mode;
  }
}

/** Returns the text of the file at `path`; empty if it is missing or belongs to another user. */
function readOwn(path: string): string {
  try {
    const { uid, isFile } = Deno.lstatSync(path);
    return isFile && uid === Deno.uid() ? Deno.readTextFileSync(path).trim() : "";
  } catch {
    return "";
  }
}

async function inject<T>(mode: Mode, step: string, work: () => Promise<T>): Promise<T> {
  if (mode === "kill-before") die();
  if (mode === "fail") throw injected(step);
  if (mode === "hang") return await new Promise<never>(() => {});
  const result = await work();
  if (mode === "kill-after") die();
  if (mode === "lose") throw injected(step);
  return result;
}

function injected(step: string): Fault {
  return new Fault("unavailable", `outside step ${step} failed`, { why: "a test asked for it" });
}

/** Ends this process like kill -9: Deno's own kill needs -A, which the packed file never has. */
function die(): void {
  const { symbols } = Deno.dlopen("libc.so.6", { raise: { parameters: ["i32"], result: "i32" } });
  symbols.raise(9);
}
