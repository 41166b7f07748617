// Requests on one connection that wait for their replies, by id. Independent of the protocol.

import type { Fault } from "../../util/errors.ts";

interface Pending<T> {
  readonly resolve: (reply: T) => void;
  readonly reject: (fault: Fault) => void;
}

/** What waits for a reply on one connection; when the connection is over, all of it fails with the reason. */
export class PendingReplies<T> {
  /** Resolves once, with the reason, when the connection is over and all that waited has failed. */
  readonly ended: Promise<Fault>;
  readonly #pending = new Map<number, Pending<T>>();
  #why: Fault | undefined;

  /** `ended` resolves when the connection is over. */
  constructor(ended: Promise<Fault>) {
    this.ended = ended.then((why) => {
      this.#why = why;
      this.#pending.forEach(({ reject }) => reject(why));
      this.#pending.clear();
      return why;
    });
  }

  /** Returns why the connection is over, undefined while it is not. */
  get why(): Fault | undefined {
    return this.#why;
  }

  /** Resolves with the reply to request `id`. Faults: the reason why the connection is over; those of reject(). */
  wait(id: number): Promise<T> {
    if (this.#why) return Promise.reject(this.#why);
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  /** Passes the reply to request `id` on, if it is waited for. */
  resolve(id: number, reply: T): void {
    this.#take(id)?.resolve(reply);
  }

  /** Fails request `id`; reports whether it was waited for. */
  reject(id: number, fault: Fault): boolean {
    const pending = this.#take(id);
    pending?.reject(fault);
    return pending !== undefined;
  }

  #take(id: number): Pending<T> | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }
}
