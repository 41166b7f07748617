// What does not fit where it stands, and is not what the user asked about: a child without its parent,
// a fixed address that its network cannot have. Both are left by a plan that was cut off and never
// finished. They must not stand in the way of every other plan, so they are left alone until a file
// names them, or replaces all.

import { refusalOf } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { poolOf } from "../field_rules.ts";
import { networkKeyOf, type Stored, tenantKeyOf, titleOf } from "./stored.ts";
import type { Desired } from "./desired_types.ts";

/** Moves orphans from what is wanted to what is untouched. */
export function setAsideOrphans(wanted: Desired, stored: Stored): void {
  setAsideUnreadable(wanted, stored);
  setAsideParentless(wanted, stored);
  setAsideMisplaced(wanted, stored);
}

/** What stands where a newer version's, or a stranger's, document is: it is not overwritten. */
function setAsideUnreadable(wanted: Desired, { unreadable }: Stored): void {
  for (const [key, why] of unreadable) {
    const maps = [wanted.hosts, wanted.tenants, wanted.networks, wanted.endpoints];
    const isWanted = maps.map((map) => map.delete(key)).includes(true);
    wanted.untouched.add(key);
    if (isWanted) wanted.warnings.push(`${titleOf(key)} is left alone: ${why}`);
  }
}

function setAsideParentless(wanted: Desired, stored: Stored): void {
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

function setAsideMisplaced(wanted: Desired, stored: Stored): void {
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
