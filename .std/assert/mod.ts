// Own stand-in for the part of @std/assert that the tests use: same names, same behaviour.

/** Thrown when an assertion does not hold. */
export class AssertionError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "AssertionError";
  }
}

/** Throws unless `expr` is truthy. */
export function assert(expr: unknown, msg = ""): asserts expr {
  if (!expr) throw new AssertionError(msg);
}

/** Throws unless `actual` and `expected` are deeply equal. */
export function assertEquals<T>(actual: T, expected: T, msg?: string): void {
  if (equal(actual, expected)) return;
  const suffix = msg ? `: ${msg}` : ".";
  throw new AssertionError(
    `Values are not equal${suffix}\n  actual:   ${show(actual)}\n  expected: ${show(expected)}`,
  );
}

/** Throws if `actual` and `expected` are deeply equal. */
export function assertNotEquals<T>(actual: T, expected: T, msg?: string): void {
  if (!equal(actual, expected)) return;
  throw new AssertionError(`Expected values to differ: ${show(actual)}${msg ? `: ${msg}` : ""}`);
}

/** Throws unless both are the same value (Object.is). */
export function assertStrictEquals<T>(
  actual: unknown,
  expected: T,
  msg?: string,
): asserts actual is T {
  if (Object.is(actual, expected)) return;
  throw new AssertionError(
    `Values are not strictly equal${msg ? `: ${msg}` : "."}\n  ${show(actual)}\n  ${
      show(expected)
    }`,
  );
}

/** Throws unless `actual` holds `expected`. */
export function assertStringIncludes(actual: string, expected: string, msg?: string): void {
  if (actual.includes(expected)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to contain: "${expected}"${msg ? `: ${msg}` : "."}`,
  );
}

/** Throws unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, msg?: string): void {
  if (expected.test(actual)) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to match: "${expected}"${msg ? `: ${msg}` : "."}`,
  );
}

/** Throws if `actual` is undefined or null. */
export function assertExists<T>(actual: T, msg?: string): asserts actual is NonNullable<T> {
  if (actual !== undefined && actual !== null) return;
  throw new AssertionError(
    `Expected actual: "${actual}" to not be null or undefined${msg ? `: ${msg}` : "."}`,
  );
}

// deno-lint-ignore no-explicit-any -- a constructor with any arguments, as in the original
type ErrorClass<E> = new (...args: any[]) => E;

/** Throws unless `fn` throws an `E` whose message holds `msgIncludes`; gives what was thrown. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  errorClass: ErrorClass<E> = Error as unknown as ErrorClass<E>,
  msgIncludes?: string,
): E {
  try {
    fn();
  } catch (error) {
    return checked(error, errorClass, msgIncludes);
  }
  throw new AssertionError("Expected function to throw.");
}

/** Throws unless `fn` rejects with an `E` whose message holds `msgIncludes`; gives the reason. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  errorClass: ErrorClass<E> = Error as unknown as ErrorClass<E>,
  msgIncludes?: string,
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return checked(error, errorClass, msgIncludes);
  }
  throw new AssertionError("Expected function to reject.");
}

function checked<E extends Error>(error: unknown, wanted: ErrorClass<E>, words?: string): E {
  if (!(error instanceof wanted)) {
    throw new AssertionError(
      `Expected error to be instance of "${wanted.name}", but was ${show(error)}.`,
      { cause: error },
    );
  }
  if (words !== undefined && !error.message.includes(words)) {
    throw new AssertionError(
      `Expected error message to include "${words}", but got "${error.message}".`,
      { cause: error },
    );
  }
  return error;
}

function show(value: unknown): string {
  return Deno.inspect(value, { depth: 20, sorted: true, strAbbreviateSize: Infinity });
}

function equal(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof RegExp && b instanceof RegExp) return String(a) === String(b);
  if (a instanceof Set && b instanceof Set) {
    return a.size === b.size &&
      [...a].every((x) => b.has(x) || [...b].some((y) => equal(x, y)));
  }
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([k, v]) => b.has(k) && equal(v, b.get(k)));
  }
  const left = Reflect.ownKeys(a).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(a, key)
  );
  const right = Reflect.ownKeys(b).filter((key) =>
    Object.prototype.propertyIsEnumerable.call(b, key)
  );
  return left.length === right.length &&
    left.every((key) => Object.hasOwn(b, key) && equal(Reflect.get(a, key), Reflect.get(b, key)));
}
