// Chooses the addresses of a network's endpoints: first those that the file fixes, then those that endpoints have
// and may keep, then the lowest free ones.

import { type AddressPool, freeAddresses, poolHas, poolIsFull } from "../../ipam/addresses.ts";
import { addressToText, parseAddress } from "../../ipam/subnets.ts";
import type { EndpointRecord } from "../records.ts";
import { checkAddress } from "../field_rules.ts";
import { chain, skipFirst, takenFault } from "./claim_holders.ts";
import { nameOf } from "./stored.ts";
import { type Choosing, mayMove } from "./choose_tags.ts";
import type { DesiredEndpoint } from "./desired_types.ts";

/** A chosen address. */
export type ChosenAddress = Pick<EndpointRecord, "address" | "addressBy">;

/** One network's endpoints and what is known of its addresses. */
export interface AddressTask {
  readonly pool: AddressPool;
  readonly endpoints: readonly (readonly [string, DesiredEndpoint])[];
  /** Owners of claims outside of this plan, by address. */
  readonly foreign: ReadonlyMap<number, string>;
  /** Endpoints of pods that have an address at this moment, even if the endpoint is being deleted. */
  readonly held: ReadonlyMap<number, string>;
}

/** Returns the address of every endpoint of one network. Faults: usage, conflict, exhausted. */
export function chooseAddresses(
  choosing: Choosing,
  task: AddressTask,
): Map<string, ChosenAddress> {
  const chosen = new Map<string, ChosenAddress>();
  const owners = new Map<number, string>();
  const assign = (key: string, address: number, addressBy: ChosenAddress["addressBy"]) => {
    chosen.set(key, { address: addressToText(address), addressBy });
    owners.set(address, key);
  };
  for (const [key, { address }] of task.endpoints) {
    if (address !== undefined) assign(key, fixedAddress(task, key, address, owners), "intent");
  }
  const heldBy = new Map([...task.held].map(([address, key]) => [key, address]));
  for (const [key] of task.endpoints) {
    if (chosen.has(key)) continue;
    const record = choosing.stored.endpoints.get(key);
    // An endpoint that is deleted and created again gets the address that its pod still has.
    const kept = record ? parseAddress(record.address) : heldBy.get(key);
    if (kept === undefined || !poolHas(task.pool, kept)) continue;
    if (![undefined, key].includes(task.foreign.get(kept))) continue;
    const holder = owners.get(kept);
    if (holder === undefined) assign(key, kept, "pool");
    else if (!mayMove(choosing, key)) {
      throw takenFault(`address ${addressToText(kept)}`, holder, key);
    }
  }
  const free = freeAddressesOf(choosing, task, owners);
  for (const [key] of task.endpoints) if (!chosen.has(key)) assign(key, free(), "pool");
  return chosen;
}

function fixedAddress(
  { pool, foreign }: AddressTask,
  key: string,
  text: string,
  owners: ReadonlyMap<number, string>,
): number {
  checkAddress((field) => `${field} of ${nameOf(key)}`, pool, text);
  const address = parseAddress(text);
  const holder = owners.get(address) ?? foreign.get(address);
  if (holder === undefined || holder === key) return address;
  throw takenFault(`address ${text}`, key, holder);
}

/**
 * Returns a function for the next free address. Addresses of pods that are being deleted are not free yet;
 * one that a remaining endpoint gives up comes last, as it forces both endpoints into one commit.
 */
function freeAddressesOf(
  { stored, desired: { skip } }: Choosing,
  { pool, endpoints, foreign, held }: AddressTask,
  owners: ReadonlyMap<number, string>,
) {
  const leaving = new Set(
    endpoints.flatMap(([key]) => {
      const record = stored.endpoints.get(key);
      return record ? [parseAddress(record.address)] : [];
    }),
  );
  const isUsed = (address: number) =>
    owners.has(address) || foreign.has(address) || held.has(address);
  const free = chain(
    skipFirst(
      skip,
      freeAddresses(pool, (address) => isUsed(address) || leaving.has(address)),
    ),
    freeAddresses(pool, isUsed),
  );
  return (): number => {
    const { value } = free.next();
    if (value === undefined) throw poolIsFull(pool);
    return value;
  };
}
