// Says what is wrong with a store's documents, from its own reading of them: it shares no code with
// the planner.

import type { Documents } from "../../../lib/intent/records.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Returns every broken promise: claims that records do not imply, double use, orphans, overlaps. */
export function brokenPromises(documents: Documents): string[] {
  const all = [...documents].map(([key, { value }]) => [key, value as Fields] as const);
  const below = (prefix: string) => all.filter(([key]) => key.startsWith(prefix));
  const broken: string[] = [];
  const implied = new Map<string, string>();
  const imply = (claim: string, owner: string) => {
    const other = implied.get(claim);
    if (other !== undefined) broken.push(`${claim} is implied by ${other} and by ${owner}`);
    implied.set(claim, owner);
  };
  for (const [key, one] of below("networks/")) {
    if (key !== `networks/${one.tenant}/${one.name}`) broken.push(`${key} says another name`);
    if (!documents.has(`tenants/${one.tenant}`)) broken.push(`${key} has no tenant`);
    imply(`claims/${one.encap === "vlan" ? "vlan" : "vni"}/${one.tag}`, key);
    imply(`claims/subnet/${one.tenant}/${String(one.subnet).replace("/", "_")}`, key);
    broken.push(...tagFaults(key, one));
  }
  for (const [key, one] of below("endpoints/")) {
    const network = documents.get(`networks/${one.tenant}/${one.network}`)?.value as Fields;
    if (!network) broken.push(`${key} has no network`);
    else broken.push(...addressFaults(key, one, network));
    imply(`claims/ip/${one.tenant}/${one.network}/${one.address}`, key);
  }
  const networks = below("networks/");
  const tenants = new Map(below("tenants/"));
  broken.push(...ownershipFaults(networks, tenants));
  broken.push(...ownerFaults(networks, documents.get("owners/subnets")?.value as Fields));
  broken.push(...claimFaults(new Map(below("claims/")), implied));
  broken.push(...subnetFaults(below("networks/"), new Map(below("subnets/"))));
  return broken;
}

/**
 * Returns the broken promises that count between two commits of a plan: a subnet and the addresses in
 * it move one after the other, and disagree until then.
 */
export function brokenOnTheWay(documents: Documents): string[] {
  return brokenPromises(documents).filter((words) => !words.endsWith(MOVING));
}

const MOVING = " in its subnet";

/** A network with a distributed gateway owns its subnet in the hosts' stacks, or is aliased; no other does. */
function ownershipFaults(
  networks: readonly (readonly [string, Fields])[],
  tenants: ReadonlyMap<string, Fields>,
): string[] {
  return networks.flatMap(([key, { tenant, gatewayType, owner, aliasedBecause }]) => {
    const type = gatewayType ?? tenants.get(`tenants/${tenant}`)?.gatewayType;
    const count = Number(owner === true) + Number(aliasedBecause !== undefined);
    const wanted = type === "distributed" ? 1 : 0;
    // A tenant's default and its networks change one after the other.
    return count === wanted ? [] : [`${key} has ${count} places${MOVING}`];
  });
}

function ownerFaults(
  networks: readonly (readonly [string, Fields])[],
  list: Fields | undefined,
): string[] {
  const owners = networks.map(([, one]) => one).filter(({ owner }) => owner === true);
  const sorted = (entries: [string, unknown][]) => JSON.stringify(entries.sort());
  const wanted = sorted(
    owners.map(({ tenant, name, subnet }) => [String(subnet), `${tenant}/${name}`]),
  );
  const found = sorted(Object.entries((list?.networks ?? {}) as object));
  const overlaps = owners.flatMap((one, index) => {
    const [first, last] = bounds(String(one.subnet));
    return owners.slice(index + 1).filter(({ subnet }) => {
      const [from, to] = bounds(String(subnet));
      return from <= last && first <= to;
    }).map((other) => `owners ${one.tenant}/${one.name}, ${other.tenant}/${other.name} overlap`);
  });
  return found === wanted ? overlaps : [...overlaps, `owners/subnets says ${found}`];
}

function tagFaults(key: string, { encap, tag }: Fields): string[] {
  const last = encap === "vlan" ? 4094 : 16_777_215;
  return Number(tag) >= 1 && Number(tag) <= last ? [] : [`${key} has tag ${tag}`];
}

function claimFaults(claims: ReadonlyMap<string, Fields>, implied: ReadonlyMap<string, string>) {
  const broken: string[] = [];
  for (const [claim, owner] of implied) {
    const found = claims.get(claim)?.owner;
    if (found !== owner) broken.push(`${claim} is owned by ${found}, not by ${owner}`);
  }
  for (const claim of claims.keys()) {
    if (!implied.has(claim)) broken.push(`${claim} is implied by nothing`);
  }
  return broken;
}

function bits(address: string): number {
  return address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
}

function bounds(cidr: string): readonly [number, number] {
  const [base = "", length = ""] = cidr.split("/");
  return [bits(base), bits(base) + 2 ** (32 - Number(length)) - 1];
}

function addressFaults(key: string, endpoint: Fields, network: Fields): string[] {
  const address = bits(String(endpoint.address));
  const [first, last] = bounds(String(network.subnet));
  const said = (what: string) => [`${key} has ${what}${MOVING}`];
  if (address < first || address > last) return said("a foreign address");
  const isSmall = last - first < 2;
  if (!isSmall && address === first) return said("the network address");
  if (!isSmall && address === last) return said("the broadcast address");
  return endpoint.address === network.gateway ? said("the gateway's address") : [];
}

function subnetFaults(
  networks: readonly (readonly [string, Fields])[],
  lists: ReadonlyMap<string, Fields>,
): string[] {
  const broken: string[] = [];
  const wanted = new Map<string, Record<string, unknown>>();
  for (const [key, { tenant, name, subnet }] of networks) {
    const list = wanted.get(`subnets/${tenant}`) ?? {};
    wanted.set(`subnets/${tenant}`, { ...list, [String(subnet)]: name });
    const [first, last] = bounds(String(subnet));
    for (const [other, one] of networks) {
      const [from, to] = bounds(String(one.subnet));
      if (other < key && one.tenant === tenant && from <= last && first <= to) {
        broken.push(`subnets of ${key} and ${other} overlap`);
      }
    }
  }
  for (const key of new Set([...wanted.keys(), ...lists.keys()])) {
    const sorted = (list: object) => JSON.stringify(Object.entries(list).sort());
    const found = sorted((lists.get(key)?.networks ?? {}) as object);
    if (found !== sorted(wanted.get(key) ?? {})) broken.push(`${key} says ${found}`);
  }
  return broken;
}
