// From a test's world to the model, and to the flows of its host.

import { rulesOfTenant } from "../../../lib/policy/contiv.ts";
import { HostFlows } from "../../../lib/policy/flows/host_flows.ts";
import type { Endpoint } from "../../../lib/policy/input.ts";
import { PolicyModel } from "../../../lib/policy/model.ts";
import { rulesOfNetworkPolicy } from "../../../lib/policy/network_policy.ts";
import type { Packet } from "../../../lib/policy/verdict.ts";
import { parseAddress } from "../../../lib/ipam/subnets.ts";
import type { TestPacket } from "./evaluator.ts";
import type { PlacedEndpoint, RandomWorld } from "./random_worlds.ts";

/** A model and what a host makes of it. */
export interface Built {
  readonly model: PolicyModel;
  readonly flows: HostFlows;
}

/** Builds all of `world`; `drop` is what the flows do with denied packets. */
export function build(world: RandomWorld, drop?: string): Built {
  const flows = new HostFlows(drop);
  const built = { model: new PolicyModel(flows), flows };
  for (const endpoint of world.endpoints) built.model.setEndpoint(endpointOf(endpoint));
  change(built, { ...world, endpoints: [], namespaces: [], policies: [], tenants: [] }, world);
  return built;
}

/** Changes what was built of `was` into `is`. */
export function change({ model, flows }: Built, was: RandomWorld, is: RandomWorld): void {
  for (const { name } of was.namespaces) model.setNamespace(name, undefined);
  for (const { name, labels } of is.namespaces) model.setNamespace(name, labels);
  for (const { id } of was.endpoints) {
    if (!is.endpoints.some((one) => one.id === id)) model.removeEndpoint(id);
  }
  for (const endpoint of is.endpoints) model.setEndpoint(endpointOf(endpoint));
  for (const one of was.policies) model.setRules(`kubernetes ${one.namespace}/${one.name}`, []);
  for (const one of is.policies) {
    model.setRules(`kubernetes ${one.namespace}/${one.name}`, rulesOfNetworkPolicy(one).rules);
  }
  for (const one of is.tenants) model.setRules(`contiv ${one.tenant}`, rulesOfTenant(one).rules);
  flows.changes();
}

/** Returns a test's endpoint as the model wants it. */
export function endpointOf(one: PlacedEndpoint): Endpoint {
  const { id, tenant, group, namespace, labels, ports, tag, isDistributed, routedTo } = one;
  return {
    ...{ id, tenant, group, labels, ports, network: `${tenant}/${one.network}` },
    ...routedTo && { routedTo },
    address: parseAddress(one.ip),
    pod: { namespace, name: id },
    ...one.isHere ? { here: { tag, mac: macOf(one), ...isDistributed && { isDistributed } } } : {},
  };
}

/** Returns the MAC of a test's endpoint: another one for each id. */
export function macOf({ id }: { readonly id: string }): string {
  const number = [...id].reduce((sum, one) => (sum * 31 + one.charCodeAt(0)) % 2 ** 32, 7);
  const bytes = number.toString(16).padStart(8, "0").match(/../g) ?? [];
  return ["02", "02", ...bytes].join(":");
}

/** Returns a test's packet as the model wants it. */
export function packetOf(packet: TestPacket): Packet {
  return {
    ...packet.from ? { from: packet.from.id } : {},
    ...packet.to ? { to: packet.to.id } : {},
    source: parseAddress(packet.fromIp),
    destination: parseAddress(packet.toIp),
    protocol: packet.protocol,
    sourcePort: packet.fromPort,
    destinationPort: packet.toPort,
  };
}
