// Where faults can be injected for tests: every call that leaves this process. Drivers are hooked once, when
// they are opened, single calls (a command, a query) when they are made. Without installed hooks, which is
// always but in tests, this costs one comparison per driver.

/** Members of a driver that do not return a promise: they read memory, or end the driver's use. */
export type Plain<T> = {
  [K in keyof T]: T[K] extends (...args: never[]) => Promise<unknown> ? never : K;
}[keyof T];

/** What injects faults between the program and everything outside of it. */
export interface FaultHooks {
  /** Returns what is used in place of `driver`; all of its methods but the `plain` ones are external calls. */
  hookDriver<T extends object>(name: string, driver: T, plain: readonly PropertyKey[]): T;
  /** Makes one external call by that name. */
  hookCall<T>(name: string, call: () => Promise<T>): Promise<T>;
  /** Does `work`; the names of its external calls begin with `scope`. */
  inScope<T>(scope: string, work: () => Promise<T>): Promise<T>;
}

let installed: FaultHooks | undefined;

/** Installs `hooks` for all drivers that are opened, and all calls that are made, from now on. */
export function installFaultHooks(hooks: FaultHooks): void {
  installed = hooks;
}

/**
 * Returns `driver`, or what the installed hooks put in its place; its external calls are `name.METHOD`.
 * `plain` are the methods that do not return a promise, and `close`, after which nothing can fail any more.
 */
export function hooked<T extends object>(
  name: string,
  driver: T,
  plain: readonly (Plain<T> | "close")[] = [],
): T {
  return installed ? installed.hookDriver(name, driver, plain) : driver;
}

/** Makes an external call that is not a method of a hooked driver. */
export function hookedCall<T>(name: string, call: () => Promise<T>): Promise<T> {
  return installed ? installed.hookCall(name, call) : call();
}

/** Does `work` under a name that distinguishes its external calls from those of other work. */
export function inScope<T>(scope: string, work: () => Promise<T>): Promise<T> {
  return installed ? installed.inScope(scope, work) : work();
}
