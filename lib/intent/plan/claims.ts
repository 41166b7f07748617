// Which claims a record implies: keys below `claims/`, one for each value that only one record may have.

import { type EndpointRecord, keys, type NetworkRecord } from "../records.ts";

/** Returns the claim on a network's tag. */
export function tagClaim({ encap, tag }: Pick<NetworkRecord, "encap" | "tag">): string {
  return encap === "vlan" ? keys.vlanClaim(tag) : keys.vniClaim(tag);
}

/** Returns the claims that a network's record implies. */
export function networkClaims(record: NetworkRecord): string[] {
  return [tagClaim(record), keys.subnetClaim(record.tenant, record.subnet)];
}

/** Returns the claim that an endpoint's record implies. */
export function endpointClaim(
  { tenant, network, address }: Pick<EndpointRecord, "tenant" | "network" | "address">,
): string {
  return keys.addressClaim(tenant, network, address);
}
