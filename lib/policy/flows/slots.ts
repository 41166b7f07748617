// Numbers that stay with their owner, so that a change of policies changes few flows.

import type { Rule } from "../rules.ts";
import { fnv32 } from "../../util/fnv.ts";

/** Ids of conjunctive matches, from 1, unique in each table, the lowest free one first. */
export class Slots {
  readonly #next = new Map<number, number>();
  readonly #free = new Map<number, number[]>();

  take(table: number): number {
    const free = this.#free.get(table)?.pop();
    if (free !== undefined) return free;
    const next = this.#next.get(table) ?? 1;
    this.#next.set(table, next + 1);
    return next;
  }

  release(table: number, slot: number): void {
    const free = this.#free.get(table) ?? [];
    free.push(slot);
    this.#free.set(table, free);
  }
}

type Named = Pick<Rule, "tier" | "policy">;

/** Numbers of policies, under which their drops are counted; the same after each start. */
export class Numbers {
  readonly byNumber = new Map<number, Named>();
  readonly #byName = new Map<string, number>();

  /** Returns the number of a rule's policy, from 1 to 2^31 - 1. */
  of({ tier, policy }: Named): number {
    const name = `${tier} ${policy}`;
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    let number = hash(name);
    while (number === 0 || this.byNumber.has(number)) number = (number + 1) & 0x7fff_ffff;
    this.#byName.set(name, number);
    this.byNumber.set(number, { tier, policy });
    return number;
  }
}

/** Returns 31 bits for a text, the same after each start. */
export function hash(text: string): number {
  return fnv32(text) & 0x7fff_ffff;
}
