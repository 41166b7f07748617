// What is said of a dropped packet: who asked whom for what, and which rule denied it. Pure.

import { addressToText } from "../../ipam/subnets.ts";
import type { PacketIn } from "../../ovs/openflow/packet_in.ts";
import type { Endpoint } from "../../policy/input.ts";
import { PROTOCOLS } from "../../policy/rules.ts";
import { hasPorts, type Packet, verdictOf } from "../../policy/verdict.ts";
import { oneLine } from "../../util/errors.ts";
import type { Compiler } from "./compiler.ts";

/** A packet that was dropped, as the registers of the policy tables tell it. */
export interface Drop {
  readonly policyNumber: number;
  readonly tag: number;
  /** Who asked, and who was asked: an answer that is denied counts as what it answers. */
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly port: number;
}

/** Reads the registers; what they mean is told in policy/flows/pipeline.ts. */
export function dropOf({ cookie, registers }: PacketIn): Drop {
  const register = (number: number) => registers.get(number) ?? 0;
  return {
    policyNumber: Number(cookie & 0xffff_ffffn),
    tag: register(0),
    source: register(1),
    destination: register(2),
    protocol: register(3) >>> 16,
    port: register(3) & 0xffff,
  };
}

/** Returns the same text for drops that are told as one. */
export function keyOf({ policyNumber, tag, source, destination, protocol, port }: Drop): string {
  return [policyNumber, tag, source, destination, protocol, port].join();
}

/** Returns `tcp default/app 10.1.1.2 -> default/web 10.1.1.1:80 by contiv policy t/p1 (rule 1 of group web)`. */
export function dropMessage(compiler: Compiler | undefined, drop: Drop): string {
  const { tag, source, destination, protocol, port } = drop;
  const name = Object.entries(PROTOCOLS).find(([, number]) => number === protocol)?.[0] ??
    `protocol ${protocol}`;
  const [from, to] = endsOf(compiler, tag, [source, destination]);
  const end = (one: Endpoint | undefined, address: number) =>
    [...nameOf(one), addressToText(address)].join(" ");
  const asked = hasPorts(protocol) ? `:${port}` : "";
  const ends = `${end(from, source)} -> ${end(to, destination)}${asked}`;
  return `${name} ${ends} by ${policyWords(compiler, drop, { from, to })}`;
}

/** Returns the endpoints with these addresses: addresses are a tenant's, and the tag tells which one's. */
function endsOf(
  compiler: Compiler | undefined,
  tag: number,
  addresses: readonly number[],
): (Endpoint | undefined)[] {
  const endpoints = [...compiler?.model.endpoints.values() ?? []];
  const tenant = endpoints.find(({ here }) => here?.tag === tag)?.tenant;
  const theirs = endpoints.filter((one) =>
    one.tenant === tenant && addresses.includes(one.address)
  );
  return addresses.map((address) => theirs.find((one) => one.address === address));
}

function nameOf(endpoint: Endpoint | undefined): string[] {
  if (!endpoint) return [];
  const { pod, id } = endpoint;
  return [oneLine(pod ? `${pod.namespace}/${pod.name}` : id)];
}

function policyWords(
  compiler: Compiler | undefined,
  { policyNumber, source, destination, protocol, port }: Drop,
  { from, to }: { readonly from: Endpoint | undefined; readonly to: Endpoint | undefined },
): string {
  const policy = compiler?.flows.policies.get(policyNumber);
  if (!compiler || !policy) return "a policy that is no longer there";
  const packet: Packet = {
    ...from ? { from: from.id } : {},
    ...to ? { to: to.id } : {},
    ...{ source, destination, protocol },
    ...hasPorts(protocol) ? { destinationPort: port } : {},
  };
  const { rule } = verdictOf(compiler.model, packet);
  // The rules may have changed since: then only the policy is sure.
  const isIt = rule?.action === "deny" && rule.tier === policy.tier &&
    rule.policy === policy.policy;
  const label = isIt ? ` (${oneLine(rule.label)})` : "";
  return `${policy.tier} policy ${oneLine(policy.policy)}${label}`;
}
