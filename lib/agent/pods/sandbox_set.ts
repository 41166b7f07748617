// A bounded set of sandboxes of which something is remembered for a while.

// Far more than one host has at a time.
const LIMIT = 1_000;

// Callers may use a shortened id.
const DIGITS = 12;

/** The latest 1,000 sandboxes that were added. */
export class SandboxSet {
  readonly #ids = new Set<string>();

  add(sandbox: string): void {
    this.delete(sandbox);
    this.#ids.add(sandbox.slice(0, DIGITS));
    const [oldest] = this.#ids;
    if (this.#ids.size > LIMIT && oldest !== undefined) this.#ids.delete(oldest);
  }

  delete(sandbox: string): void {
    this.#ids.delete(sandbox.slice(0, DIGITS));
  }

  has(sandbox: string): boolean {
    return this.#ids.has(sandbox.slice(0, DIGITS));
  }
}
