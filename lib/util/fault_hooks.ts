// Where the program meets the outside. Every driver passes here once, when it is opened, and every
// command when it is run: so that a test can stand between. Nobody else pays for it.

/** Members of a driver that give no promise: they look at memory, or end its use. */
export type Plain<T> = {
  [K in keyof T]: T[K] extends (...args: never[]) => Promise<unknown> ? never : K;
}[keyof T];

/** Somebody who stands between the program and the outside. */
export interface Between {
  /** Returns what is to be used in place of `driver`; all but its `plain` members are steps. */
  edge<T extends object>(name: string, driver: T, plain: readonly PropertyKey[]): T;
  /** Does one outside step. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** Does `work`, whose steps are told apart from others' by `name`. */
  scope<T>(name: string, work: () => Promise<T>): Promise<T>;
}

let between: Between | undefined;

/** Lets `somebody` stand between; what was opened before stays as it is. */
export function standBetween(somebody: Between): void {
  between = somebody;
}

/**
 * Returns `driver`, or what stands between it and us; its steps are `name.METHOD`. `plain` are the
 * methods that give no promise, and `close`, after which nothing is left to break.
 */
export function hooked<T extends object>(
  name: string,
  driver: T,
  plain: readonly (Plain<T> | "close")[] = [],
): T {
  return between ? between.edge(name, driver, plain) : driver;
}

/** Does an outside step that is no driver's method. */
export function outsideStep<T>(name: string, work: () => Promise<T>): Promise<T> {
  return between ? between.step(name, work) : work();
}

/** Does `work` under a name that tells its outside steps from others'. */
export function scope<T>(name: string, work: () => Promise<T>): Promise<T> {
  return between ? between.scope(name, work) : work();
}
