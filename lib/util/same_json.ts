// Equality of JSON documents.

/** Compares JSON documents; the order of keys does not matter. */
export function isSame(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [Object.entries(a), Object.keys(b)];
  return left.length === right.length &&
    left.every(([key, value]) => Object.hasOwn(b, key) && isSame(value, Reflect.get(b, key)));
}
