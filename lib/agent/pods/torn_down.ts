// Sandboxes that were torn down and may still run for a while: kubelets stop the infra container half a
// minute after its teardown. Only a new set-up attaches them again.

// Far more than are torn down at a time.
const LIMIT = 1_000;

// Teardowns may use a shortened id.
const DIGITS = 12;

/** The latest 1,000 sandboxes whose teardown came after their last set-up. */
export class TornDown {
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
