// What does not fit where it stands, and is not what the user asked about: a child without its parent,
// a fixed address that its network cannot have. Both are left by a plan that was cut off and never
// finished. They must not stand in the way of every other plan, so they are left alone until a file
// names them, or replaces all.

import { refusalOf } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { poolOf } from "../rules.ts";
import { networkKeyOf, type Stored, tenantKeyOf } from "./stored.ts";
import type { Wanted } from "./wish.ts";

/** Moves strays from what is wanted to what is untouched. */
export function setAsideStrays(wanted: Wanted, stored: Stored): void {
  setAsideOrphans(wanted, stored);
  setAsideMisplaced(wanted, stored);
}

function setAsideOrphans(wanted: Wanted, stored: Stored): void {
  for (const [key, network] of wanted.networks) {
    const parent = tenantKeyOf(network);
    if (stored.tenants.has(parent) || wanted.tenants.has(parent)) continue;
    wanted.networks.delete(key);
    wanted.untouched.add(key);
  }
  for (const [key, endpoint] of wanted.endpoints) {
    const parent = networkKeyOf(endpoint);
    const isLost = !stored.networks.has(parent) && !wanted.networks.has(parent);
    if (!isLost && !wanted.untouched.has(parent)) continue;
    wanted.endpoints.delete(key);
    wanted.untouched.add(key);
  }
}

function setAsideMisplaced(wanted: Wanted, stored: Stored): void {
  for (const [key, endpoint] of wanted.endpoints) {
    const parent = networkKeyOf(endpoint);
    const network = stored.networks.get(parent);
    if (!network || endpoint.address === undefined) continue;
    if (wanted.listed.has(key) || wanted.listed.has(parent)) continue;
    const pool = poolOf(
      (field) => `${field} of ${parent}`,
      parent,
      network,
      parseSubnet(network.subnet),
    );
    if (refusalOf(pool, parseAddress(endpoint.address)) === undefined) continue;
    wanted.endpoints.delete(key);
    wanted.untouched.add(key);
  }
}
