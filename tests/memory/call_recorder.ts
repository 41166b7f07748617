// What all in-memory drivers share: every call is recorded, and a test can make the next calls fail or
// hang.

/** One call of a driver's method. */
export interface RecordedCall<Method extends string> {
  readonly method: Method;
  readonly args: readonly unknown[];
}

interface Injection {
  readonly error: unknown;
  /** Whether the call does its work before it fails. */
  readonly afterWork: boolean;
  timesLeft: number;
}

/** Records the calls of a driver of type `Driver` and injects the faults that a test asks for. */
export class CallRecorder<Driver> {
  /** All calls so far, the oldest first; a test may empty it. */
  readonly calls: RecordedCall<keyof Driver & string>[] = [];
  readonly #injections = new Map<string, Injection[]>();
  readonly #holds = new Map<string, Promise<void>>();

  /**
   * Makes the next `times` calls of `method` fail with `error`: instead of their work, or, with
   * `afterWork`, after it, as when only the answer is lost.
   */
  fail(
    method: keyof Driver & string,
    error: unknown,
    { times = 1, afterWork = false }: {
      readonly times?: number;
      readonly afterWork?: boolean;
    } = {},
  ): void {
    const queue = this.#injections.get(method) ?? [];
    this.#injections.set(method, [...queue, { error, afterWork, timesLeft: times }]);
  }

  /** Makes `method` work again: injected faults that were not used up are dropped. */
  heal(method: keyof Driver & string): void {
    this.#injections.delete(method);
  }

  /** Holds all calls of `method` before their work; returns what lets them and later ones go on. */
  hold(method: keyof Driver & string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#holds.set(method, promise);
    return () => {
      this.#holds.delete(method);
      resolve();
    };
  }

  /** Returns the arguments of each call of `method`. */
  argsOf(method: keyof Driver & string): (readonly unknown[])[] {
    return this.calls.filter((call) => call.method === method).map((call) => call.args);
  }

  /** Does `work` as a call of `method`. Faults: of the work; the injected one. */
  async run<T>(
    method: keyof Driver & string,
    args: readonly unknown[],
    work: () => T | Promise<T>,
  ): Promise<T> {
    this.calls.push({ method, args });
    await this.#holds.get(method);
    const injection = this.#takeInjection(method);
    if (injection && !injection.afterWork) throw injection.error;
    const result = await work();
    if (injection) throw injection.error;
    return result;
  }

  #takeInjection(method: string): Injection | undefined {
    const [first, ...later] = this.#injections.get(method) ?? [];
    if (!first) return undefined;
    first.timesLeft--;
    if (first.timesLeft <= 0) this.#injections.set(method, later);
    return first;
  }
}
