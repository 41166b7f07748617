// The log message of a dropped packet: its source, destination and service, and the rule that denied it. Pure.

import { addressToText } from "../../ipam/subnets.ts";
import type { PacketIn } from "../../ovs/openflow/packet_in.ts";
import type { Direction, Endpoint } from "../../policy/input.ts";
import { PROTOCOLS } from "../../policy/rules.ts";
import { hasPorts, type Packet, verdictOf } from "../../policy/verdict.ts";
import { oneLine } from "../../util/errors.ts";
import type { LogFields } from "../../util/log.ts";
import type { Compiler } from "./compiler.ts";

/** A dropped packet, from the registers of the policy tables. */
export interface Drop {
  readonly policyNumber: number;
  readonly tag: number;
  /** Client and server: a denied reply counts as the request that it answers. */
  readonly source: number;
  readonly destination: number;
  readonly protocol: number;
  readonly port: number;
}

/** Reads the registers; policy/flows/pipeline.ts describes them. */
export function dropOf({ cookie, registers }: Pick<PacketIn, "cookie" | "registers">): Drop {
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

/** Returns a key that is the same for all drops counted together. */
export function keyOf({ policyNumber, tag, source, destination, protocol, port }: Drop): string {
  return [policyNumber, tag, source, destination, protocol, port].join();
}

/** What is known of a dropped packet; pods as `namespace/name`. */
export interface DropDescription {
  readonly message: string;
  readonly policy: string;
  readonly from?: string;
  readonly to?: string;
}

/** What log and events say of a dropped packet. */
export interface DropReport {
  readonly message: string;
  /** The pod whose policy dropped it, with its network and address, and the other one. */
  readonly fields: LogFields;
}

/** Returns the line of the log, and the fields of its event. */
export function reportDrop(compiler: Compiler | undefined, drop: Drop): DropReport {
  const known = examine(compiler, drop);
  return {
    message: `dropped ${describe(drop, known).message}`,
    fields: fieldsOf(known),
  };
}

/** Returns `tcp default/app 10.1.1.2 -> default/web 10.1.1.1:80 by contiv policy t/p1 (rule 1 of group web)`, and its parts. */
export function describeDrop(compiler: Compiler | undefined, drop: Drop): DropDescription {
  return describe(drop, examine(compiler, drop));
}

/** What the model knows of a dropped packet. */
interface KnownDrop {
  readonly from: Endpoint | undefined;
  readonly to: Endpoint | undefined;
  readonly policy: string;
  /** The rule in brackets, or empty. */
  readonly label: string;
  /** That of the rule, where it is certain. */
  readonly direction?: Direction;
}

function examine(compiler: Compiler | undefined, drop: Drop): KnownDrop {
  const [from, to] = endsOf(compiler, drop.tag, [drop.source, drop.destination]);
  return { from, to, ...policyOf(compiler, drop, { from, to }) };
}

/** Returns the fields of an event: without a certain rule, the pod of this host is the one whose policy dropped. */
function fieldsOf({ from, to, direction }: KnownDrop): LogFields {
  const isIn = direction === undefined ? to?.here !== undefined : direction === "in";
  const [guarded, other] = isIn ? [to, from] : [from, to];
  return {
    pod: podOf(guarded),
    network: guarded?.network,
    address: guarded && addressToText(guarded.address),
    peer: podOf(other),
  };
}

function describe(drop: Drop, { from, to, policy, label }: KnownDrop): DropDescription {
  const { source, destination, protocol, port } = drop;
  const name = Object.entries(PROTOCOLS).find(([, number]) => number === protocol)?.[0] ??
    `protocol ${protocol}`;
  const end = (one: Endpoint | undefined, address: number) =>
    [...nameOf(one), addressToText(address)].join(" ");
  const service = hasPorts(protocol) ? `:${port}` : "";
  const ends = `${end(from, source)} -> ${end(to, destination)}${service}`;
  const [client, server] = [podOf(from), podOf(to)];
  return {
    message: `${name} ${ends} by ${policy}${label}`,
    policy,
    ...client === undefined ? {} : { from: client },
    ...server === undefined ? {} : { to: server },
  };
}

/** Returns the endpoints with these addresses in the tenant of the tag: addresses belong to a tenant. */
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

function podOf(endpoint: Endpoint | undefined): string | undefined {
  return endpoint?.pod && oneLine(`${endpoint.pod.namespace}/${endpoint.pod.name}`);
}

/** Returns the policy, and the rule's label and direction, where they are certain. */
function policyOf(
  compiler: Compiler | undefined,
  { policyNumber, source, destination, protocol, port }: Drop,
  { from, to }: { readonly from: Endpoint | undefined; readonly to: Endpoint | undefined },
): Pick<KnownDrop, "policy" | "label" | "direction"> {
  const policy = compiler?.flows.policies.get(policyNumber);
  if (!compiler || !policy) return { policy: "a policy that no longer exists", label: "" };
  const packet: Packet = {
    ...from ? { from: from.id } : {},
    ...to ? { to: to.id } : {},
    ...{ source, destination, protocol },
    ...hasPorts(protocol) ? { destinationPort: port } : {},
  };
  const { rule } = verdictOf(compiler.model, packet);
  // The rules may have changed since: then only the policy is certain.
  const isCurrent = rule?.action === "deny" && rule.tier === policy.tier &&
    rule.policy === policy.policy;
  return {
    policy: `${policy.tier} policy ${oneLine(policy.policy)}`,
    ...isCurrent
      ? { label: ` (${oneLine(rule.label)})`, direction: rule.direction }
      : { label: "" },
  };
}
