// How far long requests are, for whoever asked for them: GET /v1/progress?name=… while they are answered.

import { oneLine } from "../../util/errors.ts";
import type { Report } from "../../util/progress.ts";
import type { ProgressItem } from "../api/intent_requests.ts";

/** Characters of a name. */
const NAME_LENGTH = 64;

/** The requests whose progress somebody may ask for. */
export class ProgressBoard {
  readonly #items = new Map<string, ProgressItem>();

  /** Does `work` under the name that its request has; without one nobody asks. */
  async during<T>(name: unknown, work: (report?: Report) => Promise<T>): Promise<T> {
    if (typeof name !== "string" || name === "") return await work();
    const key = oneLine(name, NAME_LENGTH);
    try {
      return await work((done, of) => void this.#items.set(key, { name: key, done, of }));
    } finally {
      this.#items.delete(key);
    }
  }

  /** Returns how far the requests are: all, or that of a name. */
  list(name?: string): ProgressItem[] {
    const items = [...this.#items.values()];
    return name === undefined ? items : items.filter((one) => one.name === name);
  }
}
