// How hosts that choose from one pool in the same moment, be it addresses or numbers, are spread over what is free. Pure.

import { countIn, groups } from "../../intent/indexed_documents.ts";
import type { Documents } from "../../intent/records.ts";
import { fnv32 } from "../../util/fnv.ts";

// From so many hosts on, several of them may choose in the same moment, as after a power failure. They are spread over
// so many places for each host that four of five get one that no other wants.
const MANY_HOSTS = 64;
const PLACES = 2;

/**
 * Returns how many free places a host skips in a cluster of `hosts`: where these are few, none at first. After `tries`
 * conflicts with other hosts it skips more, each host another number and each time from a wider range, so that they
 * do not race for one key. Where they are many, it does so at once.
 */
export function skipOf(host: string, tries: number, hosts: number): number {
  const crowd = hosts < MANY_HOSTS ? 1 : hosts * PLACES;
  const range = Math.max(tries === 0 ? 1 : 8 << Math.min(tries, 8), crowd);
  return fnv32(`${tries} ${host}`) % range;
}

/** Returns how many hosts have an agent. */
export function countHosts(documents: Documents): number {
  return countIn(documents, groups.folder("agents"));
}

/** Returns element `skip` of `list`, modulo its length; undefined if it is empty. */
export function pick<T>(list: Iterable<T>, skip: number): T | undefined {
  const passed: T[] = [];
  for (const one of list) {
    if (passed.push(one) > skip) break;
  }
  return passed[skip % passed.length];
}
