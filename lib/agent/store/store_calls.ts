// Calls of the store, and whether it answered the last one.

import { type Fault, faultFrom, isUnreachable } from "../../util/errors.ts";

/** Calls a store. */
export class StoreCalls {
  #trouble: Fault | undefined;
  /** Called when the store stops answering and when it answers again. */
  onTrouble: (trouble: Fault | undefined) => void = () => {};

  /** Why the store did not answer the last call; undefined once it answers again. */
  get trouble(): Fault | undefined {
    return this.#trouble;
  }

  /** Returns the result of `work`, and records whether the store answered. Faults: those of `work`. */
  async call<T>(work: () => Promise<T>): Promise<T> {
    try {
      const answer = await work();
      if (this.#trouble) this.onTrouble(undefined);
      this.#trouble = undefined;
      return answer;
    } catch (error) {
      const fault = faultFrom(error);
      if (!isUnreachable(fault)) throw error;
      const isNew = !this.#trouble;
      this.#trouble = fault;
      if (isNew) this.onTrouble(fault);
      throw error;
    }
  }
}
