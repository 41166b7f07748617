// Rules between the fields of one file, as far as they can be checked without the store: unique names, subnets
// that do not overlap, addresses inside their network. Faults name the field by its path:
// `Tenants[0].Networks[1].SubnetCIDR`.

import { overlap, parseSubnet, type Subnet, subnetToText } from "../../ipam/subnets.ts";
import { Fault } from "../../util/errors.ts";
import type { Binding, Intent, NetworkIntent, TenantIntent } from "../intent.ts";
import {
  type At,
  checkAddress,
  checkReachFields,
  checkTag,
  checkTenantPool,
  poolOf,
} from "../field_rules.ts";
import { checkPolicies } from "./policy_rules.ts";

/**
 * Faults (usage) at the first field of `intent` that contradicts another one, or if a host has no uplink and no tunnel
 * address: with `areNamesEnough`, as for a deletion, it may have its name alone.
 */
export function checkIntent(
  intent: Intent,
  { areNamesEnough }: { readonly areNamesEnough: boolean },
): void {
  checkUnique(intent.hosts.map(({ name }) => name), (index) => `Hosts[${index}].Name`, "host");
  if (!areNamesEnough) checkHosts(intent);
  const byName = intent.tenants.map(({ name }) => name);
  checkUnique(byName, (index) => `Tenants[${index}].Name`, "tenant");
  for (const [index, tenant] of intent.tenants.entries()) {
    checkTenant(`Tenants[${index}]`, tenant);
  }
  checkBindings("HostBindings", intent.hostBindings);
}

/** Faults (usage) if one container is bound in two ways. */
export function checkBindings(path: string, bindings: readonly Binding[]): void {
  const seen = new Map<string, Binding>();
  for (const [index, binding] of bindings.entries()) {
    const { container, host, attachUuid } = binding;
    const other = seen.get(container);
    if (other && (other.host !== host || other.attachUuid !== attachUuid)) {
      throw new Fault("usage", `${path}[${index}].Container "${container}" is given twice`, {
        why: "the two bindings differ",
        fix: "leave one out",
      });
    }
    seen.set(container, binding);
  }
}

function checkHosts({ hosts }: Intent): void {
  for (const [index, { intf, vtepIp }] of hosts.entries()) {
    if (intf === undefined && vtepIp === undefined) {
      throw new Fault("usage", `Hosts[${index}] has neither Intf nor VtepIp`, {
        why: "a host needs an uplink or a tunnel address",
        fix: "add one of them",
      });
    }
  }
}

function checkTenant(path: string, tenant: TenantIntent): void {
  const { networks, subnetPool, allocSubnetLen } = tenant;
  if (subnetPool !== undefined && allocSubnetLen !== undefined) {
    checkTenantPool((key) => `${path}.${key}`, subnetPool, allocSubnetLen);
  }
  checkPolicies(path, tenant);
  const at = (index: number) => `${path}.Networks[${index}]`;
  checkUnique(networks.map(({ name }) => name), (index) => `${at(index)}.Name`, "network");
  const defaults = networks.flatMap((network, index) => network.default ? [index] : []);
  if (defaults[1] !== undefined) {
    throw new Fault("usage", `${at(defaults[1])}.Default is refused`, {
      why: `${at(defaults[0] ?? 0)} is the tenant's default network already`,
      fix: "leave one of them out",
    });
  }
  for (const [index, network] of networks.entries()) checkNetwork(at(index), tenant, network);
  checkSubnets(networks, at);
}

function checkNetwork(path: string, tenant: TenantIntent, network: NetworkIntent): void {
  const { endpoints, tag, subnet } = network;
  const encap = network.encap ?? tenant.defaultNetType;
  const at = (key: string) => `${path}.${key}`;
  if (encap && tag !== undefined) checkTag(at, encap, tag);
  checkReachFields(at, network, network.gatewayType ?? tenant.gatewayType);
  const here = (index: number): At => (key) => `${path}.Endpoints[${index}].${key}`;
  const containers = endpoints.map(({ container }) => container);
  checkUnique(containers, (index) => here(index)("Container"), "endpoint");
  const addresses = endpoints.map(({ address }) => address);
  checkUnique(addresses, (index) => here(index)("IpAddress"), "address");
  checkUnique(endpoints.map(({ mac }) => mac), (index) => here(index)("Mac"), "MAC address");
  if (subnet === undefined) return;
  const pool = poolOf(at, `${tenant.name}/${network.name}`, network, parseSubnet(subnet));
  for (const [index, address] of addresses.entries()) {
    if (address !== undefined) checkAddress(here(index), pool, address);
  }
}

function checkSubnets(networks: readonly NetworkIntent[], at: (index: number) => string): void {
  const seen: { readonly subnet: Subnet; readonly index: number }[] = [];
  for (const [index, { subnet: text }] of networks.entries()) {
    if (text === undefined) continue;
    const subnet = parseSubnet(text);
    const other = seen.find((one) => overlap(one.subnet, subnet));
    if (other) {
      throw new Fault("usage", `${at(index)}.SubnetCIDR ${text} is refused`, {
        why: `it overlaps ${subnetToText(other.subnet)} of ${at(other.index)}`,
        fix: "choose another one",
      });
    }
    seen.push({ subnet, index });
  }
}

function checkUnique(
  values: readonly (string | undefined)[],
  path: (index: number) => string,
  what: string,
): void {
  const seen = new Map<string, number>();
  for (const [index, value] of values.entries()) {
    if (value === undefined) continue;
    const earlier = seen.get(value);
    if (earlier !== undefined) {
      throw new Fault("usage", `${path(index)} "${value.slice(0, 64)}" is given twice`, {
        why: `${path(earlier)} is the same ${what}`,
        fix: "leave one out",
      });
    }
    seen.set(value, index);
  }
}
