// Orphans: records that are inconsistent and that the user did not name: a child without its parent, a fixed
// address that its network cannot have. Both are left behind by an interrupted plan. They must not make
// every other plan fail, so they stay as they are until a file names them, or replaces everything.

import { refusalOf } from "../../ipam/addresses.ts";
import { parseAddress, parseSubnet } from "../../ipam/subnets.ts";
import { poolOf } from "../field_rules.ts";
import { networkKeyOf, type Stored, tenantKeyOf, titleOf } from "./stored.ts";
import type { Desired } from "./desired_types.ts";

/** Moves orphans from the desired objects to `untouched`. */
export function setAsideOrphans(desired: Desired, stored: Stored): void {
  setAsideUnreadable(desired, stored);
  setAsideParentless(desired, stored);
  setAsideMisplaced(desired, stored);
}

/** A document of a newer version, or of another program, is not overwritten. */
function setAsideUnreadable(desired: Desired, { unreadable }: Stored): void {
  for (const [key, why] of unreadable) {
    const { cluster, hosts, tenants, networks, endpoints } = desired;
    const maps = [cluster, hosts, tenants, networks, endpoints];
    const isDesired = maps.map((map) => map.delete(key)).includes(true);
    desired.untouched.add(key);
    if (isDesired) desired.warnings.push(`${titleOf(key)} is left alone: ${why}`);
  }
}

function setAsideParentless(desired: Desired, stored: Stored): void {
  for (const [key, network] of desired.networks) {
    const parent = tenantKeyOf(network);
    if (stored.tenants.has(parent) || desired.tenants.has(parent)) continue;
    desired.networks.delete(key);
    desired.untouched.add(key);
  }
  for (const [key, endpoint] of desired.endpoints) {
    const parent = networkKeyOf(endpoint);
    const isLost = !stored.networks.has(parent) && !desired.networks.has(parent);
    if (!isLost && !desired.untouched.has(parent)) continue;
    desired.endpoints.delete(key);
    desired.untouched.add(key);
  }
}

function setAsideMisplaced(desired: Desired, stored: Stored): void {
  for (const [key, endpoint] of desired.endpoints) {
    const parent = networkKeyOf(endpoint);
    const network = stored.networks.get(parent);
    if (!network || endpoint.address === undefined) continue;
    if (desired.listed.has(key) || desired.listed.has(parent)) continue;
    const pool = poolOf(
      (field) => `${field} of ${parent}`,
      parent,
      network,
      parseSubnet(network.subnet),
    );
    if (refusalOf(pool, parseAddress(endpoint.address)) === undefined) continue;
    desired.endpoints.delete(key);
    desired.untouched.add(key);
  }
}
