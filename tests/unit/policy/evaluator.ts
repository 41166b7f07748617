// Which pods may talk to each other, computed again in the plainest way: straight from the objects, one packet at a
// time, with loops. It shares nothing with lib/policy but the shapes of its input; what the two say
// must be the same.

import type {
  ContivRule,
  KubeNamespace,
  KubePeer,
  KubePort,
  NetworkPolicy,
  TenantPolicies,
} from "../../../lib/policy/input.ts";
import type { LabelSelector } from "../../../lib/util/label_selectors.ts";

/** A pod's place as the tests have it. */
export interface TestEndpoint {
  readonly id: string;
  readonly tenant: string;
  readonly ip: string;
  readonly group?: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ports: readonly {
    readonly name: string;
    readonly protocol: number;
    readonly port: number;
  }[];
}

/** Everything that there is. */
export interface TestWorld {
  readonly endpoints: readonly TestEndpoint[];
  readonly namespaces: readonly KubeNamespace[];
  readonly policies: readonly NetworkPolicy[];
  readonly tenants: readonly TenantPolicies[];
}

/** One packet, the first of something; a side without an endpoint is an address somewhere outside. */
export interface TestPacket {
  readonly from?: TestEndpoint;
  readonly to?: TestEndpoint;
  readonly fromIp: string;
  readonly toIp: string;
  readonly protocol: number;
  readonly fromPort: number;
  readonly toPort: number;
}

const [TCP, UDP, SCTP] = [6, 17, 132];

/** Reports whether the packet may pass. */
export function mayPass(world: TestWorld, packet: TestPacket): boolean {
  return mayLeave(world, packet) && mayArrive(world, packet);
}

/** Reports whether the sender's policies let it out. */
export function mayLeave(world: TestWorld, packet: TestPacket): boolean {
  if (!packet.from) return true;
  return contivSays(world, packet, "out") && kubernetesSays(world, packet, "Egress");
}

/** Reports whether the receiver's policies let it in. */
export function mayArrive(world: TestWorld, packet: TestPacket): boolean {
  if (!packet.to) return true;
  return contivSays(world, packet, "in") && kubernetesSays(world, packet, "Ingress");
}

/** An answer of SCTP is its question turned round: nothing keeps track of it. */
function turned(packet: TestPacket): TestPacket {
  const turn: TestPacket = {
    fromIp: packet.toIp,
    toIp: packet.fromIp,
    protocol: packet.protocol,
    fromPort: packet.toPort,
    toPort: packet.fromPort,
    ...(packet.to ? { from: packet.to } : {}),
    ...(packet.from ? { to: packet.from } : {}),
  };
  return turn;
}

// --- Kubernetes -------------------------------------------------------------------------------

function kubernetesSays(world: TestWorld, packet: TestPacket, way: "Ingress" | "Egress"): boolean {
  const subject = way === "Ingress" ? packet.to! : packet.from!;
  const isolating = world.policies.filter((one) =>
    selects(one, subject) && typesOf(one).includes(way)
  );
  if (isolating.length === 0) return true;
  if (isolating.some((one) => someRuleAllows(world, one, packet, way))) return true;
  if (packet.protocol !== SCTP) return false;
  const other = way === "Ingress" ? "Egress" : "Ingress";
  return world.policies.some((one) =>
    selects(one, subject) && typesOf(one).includes(other) &&
    someRuleAllows(world, one, turned(packet), other)
  );
}

function selects(policy: NetworkPolicy, endpoint: TestEndpoint): boolean {
  return policy.namespace === endpoint.namespace && fits(policy.podSelector, endpoint.labels);
}

function typesOf(policy: NetworkPolicy): string[] {
  if (policy.policyTypes && policy.policyTypes.length > 0) return [...policy.policyTypes];
  return policy.egress && policy.egress.length > 0 ? ["Ingress", "Egress"] : ["Ingress"];
}

function someRuleAllows(
  world: TestWorld,
  policy: NetworkPolicy,
  packet: TestPacket,
  way: "Ingress" | "Egress",
): boolean {
  const subject = way === "Ingress" ? packet.to! : packet.from!;
  const [peer, peerIp] = way === "Ingress"
    ? [packet.from, packet.fromIp]
    : [packet.to, packet.toIp];
  const rules = way === "Ingress"
    ? (policy.ingress ?? []).map((rule) => ({ peers: rule.from ?? [], ports: rule.ports ?? [] }))
    : (policy.egress ?? []).map((rule) => ({ peers: rule.to ?? [], ports: rule.ports ?? [] }));
  const known = peer && peer.tenant === subject.tenant ? peer : undefined;
  for (const { peers, ports } of rules) {
    const byName = known !== undefined && peers.some((one) => isPod(world, policy, one, known));
    const byBlock = peers.some((one) => isBlock(one, peerIp));
    if (peers.length > 0 && !byName && !byBlock) continue;
    const receiver = way === "Ingress" ? subject : peers.length === 0 || byName ? known : undefined;
    if (ports.length === 0 || ports.some((one) => isPort(one, packet, receiver))) return true;
  }
  return false;
}

function isPod(
  world: TestWorld,
  policy: NetworkPolicy,
  peer: KubePeer,
  pod: TestEndpoint,
): boolean {
  if (peer.ipBlock) return false;
  if (!peer.podSelector && !peer.namespaceSelector) return false;
  if (peer.namespaceSelector) {
    const namespace = world.namespaces.find((one) => one.name === pod.namespace);
    if (!namespace || !fits(peer.namespaceSelector, namespace.labels)) return false;
  } else if (pod.namespace !== policy.namespace) return false;
  return !peer.podSelector || fits(peer.podSelector, pod.labels);
}

function isBlock({ ipBlock }: KubePeer, ip: string): boolean {
  if (!ipBlock || !inCidr(ip, ipBlock.cidr)) return false;
  return !(ipBlock.except ?? []).some((one) => inCidr(ip, one));
}

function isPort(port: KubePort, packet: TestPacket, receiver: TestEndpoint | undefined): boolean {
  const protocol = { TCP, UDP, SCTP }[port.protocol ?? "TCP"];
  if (protocol !== packet.protocol) return false;
  if (port.port === undefined) return true;
  if (typeof port.port === "string") {
    return receiver !== undefined &&
      receiver.ports.some((one) =>
        one.name === port.port && one.protocol === protocol && one.port === packet.toPort
      );
  }
  return packet.toPort >= port.port && packet.toPort <= (port.endPort ?? port.port);
}

function fits(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (labels[key] !== value) return false;
  }
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const has = key in labels;
    if (operator === "Exists" && !has) return false;
    if (operator === "DoesNotExist" && has) return false;
    if (operator === "In" && !(has && values.includes(labels[key]!))) return false;
    if (operator === "NotIn" && has && values.includes(labels[key]!)) return false;
  }
  return true;
}

// --- contiv -----------------------------------------------------------------------------------

function contivSays(world: TestWorld, packet: TestPacket, way: "in" | "out"): boolean {
  const subject = way === "in" ? packet.to! : packet.from!;
  const mine = contivRules(world, subject);
  const speaking = [
    ...mine.filter((rule) => rule.direction === way && contivMatches(world, rule, packet, subject)),
    ...packet.protocol !== SCTP
      ? []
      : mine.filter((rule) =>
        rule.direction !== way && rule.action === "allow" &&
        contivMatches(world, rule, turned(packet), subject)
      ),
  ];
  let decides: ContivRule | undefined;
  for (const rule of speaking) {
    const isStronger = decides === undefined || rule.priority > decides.priority ||
      (rule.priority === decides.priority && rule.action === "deny");
    if (isStronger) decides = rule;
  }
  return decides === undefined || decides.action === "allow";
}

function contivRules(world: TestWorld, subject: TestEndpoint): ContivRule[] {
  const tenant = world.tenants.find((one) => one.tenant === subject.tenant);
  const group = tenant?.groups.find((one) => one.name === subject.group);
  const names = group?.policies ?? [];
  return names.flatMap((name) => tenant!.policies.find((one) => one.name === name)?.rules ?? []);
}

function contivMatches(
  world: TestWorld,
  rule: ContivRule,
  packet: TestPacket,
  subject: TestEndpoint,
): boolean {
  const [peer, ip] = rule.direction === "in"
    ? [packet.from, packet.fromIp]
    : [packet.to, packet.toIp];
  if (rule.group !== undefined) {
    if (!peer || peer.tenant !== subject.tenant || peer.group !== rule.group) return false;
  }
  if (rule.network !== undefined) {
    const tenant = world.tenants.find((one) => one.tenant === subject.tenant)!;
    if (!inCidr(ip, tenant.subnets[rule.network]!)) return false;
  }
  if (rule.block !== undefined && !inCidr(ip, rule.block)) return false;
  if (rule.protocol !== undefined) {
    const number = { icmp: "1", igmp: "2", tcp: "6", udp: "17" }[rule.protocol] ?? rule.protocol;
    if (number !== String(packet.protocol)) return false;
  }
  return rule.port === undefined || rule.port === 0 || rule.port === packet.toPort;
}

// --- addresses, bit by bit --------------------------------------------------------------------

function inCidr(ip: string, cidr: string): boolean {
  const [base = "", written] = cidr.split("/");
  const length = Number(written ?? 32) + (base.includes(":") ? 0 : 96);
  return length >= 96 && bits(ip).slice(0, length) === bits(base).slice(0, length);
}

/** Returns the 128 bits of an address; those of IPv4 are mapped into IPv6. */
function bits(ip: string): string {
  if (!ip.includes(":")) return `${"0".repeat(80)}${"1".repeat(16)}${numbers(ip, ".", 10, 8)}`;
  const hex = ip.replace(/[^:]*\.[^:]*$/, (four) => {
    const [a, b] = numbers(four, ".", 10, 8).match(/.{16}/g)!.map((half) => parseInt(half, 2));
    return `${a!.toString(16)}:${b!.toString(16)}`;
  });
  const [head = "", tail = ""] = hex.split("::").map((part) => numbers(part, ":", 16, 16));
  return head + tail.padStart(128 - head.length, "0");
}

function numbers(text: string, separator: string, base: number, length: number): string {
  return text.split(separator).filter(Boolean)
    .map((one) => parseInt(one, base).toString(2).padStart(length, "0")).join("");
}
