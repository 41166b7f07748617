// Kubernetes' NetworkPolicy as rules. A part of one that is not understood matches nothing and is reported; the
// pods that it selects are isolated nevertheless.

import { type Subnet, subnetHolds } from "../ipam/subnets.ts";
import { faultFrom, oneLine } from "../util/errors.ts";
import type { Direction, KubePeer, KubePort, NetworkPolicy } from "./input.ts";
import { parseBlock } from "./ip_block.ts";
import { type Peer, PROTOCOLS, type Rule, type Service, withAnswers } from "./rules.ts";

/** The rules of a source, and what of it was not understood. */
export interface RulesRead {
  readonly rules: readonly Rule[];
  /** One sentence each. */
  readonly problems: readonly string[];
}

const [ALLOW, ISOLATE] = [1, 0];
const DIRECTIONS = ["in", "out"] as const;
const TYPES = { in: "Ingress", out: "Egress" } as const;
const NUMBERS: ReadonlyMap<string, number> = new Map([
  ["TCP", PROTOCOLS.tcp],
  ["UDP", PROTOCOLS.udp],
  ["SCTP", PROTOCOLS.sctp],
]);
const WORDS = { in: "ingress", out: "egress" } as const;
const ISOLATED = { in: "isolated for ingress", out: "isolated for egress" } as const;

/** Returns the rules of a policy. */
export function rulesOfNetworkPolicy(policy: NetworkPolicy): RulesRead {
  const problems: string[] = [];
  const { namespace, podSelector } = policy;
  const name = `${namespace}/${policy.name}`;
  const note = (problem: string) => problems.push(`NetworkPolicy ${name}: ${problem}`);
  const subjects = { kind: "pods", namespace, podSelector } as const;
  // Written out, as there are very many of them: spread objects and growing arrays take twice the memory.
  const rules = directionsOf(policy).flatMap((direction): Rule[] => [
    {
      id: `kubernetes ${name} ${direction}`,
      policy: name,
      label: ISOLATED[direction],
      tier: "kubernetes",
      direction,
      priority: ISOLATE,
      action: "deny",
      subjects,
    },
    ...entriesOf(policy, direction).flatMap(({ peers, ports }, index) =>
      splitNamedPorts({
        id: `kubernetes ${name} ${direction} ${index}`,
        policy: name,
        label: `${WORDS[direction]}[${index}]`,
        tier: "kubernetes",
        direction,
        priority: ALLOW,
        action: "allow",
        subjects,
        peers: peersOf(peers, namespace, note),
        services: servicesOf(ports, note),
      })
    ),
  ]);
  return { rules: withAnswers(rules), problems };
}

/** Egress to any peer by a port's name means: to each pod that has such a port. */
function splitNamedPorts(rule: Rule): Rule[] {
  const { services = [], peers } = rule;
  if (rule.direction === "in" || peers) return [rule];
  const named = services.filter((service) => service.named !== undefined);
  if (named.length === 0) return [rule];
  const numbered = services.filter((service) => service.named === undefined);
  const everyPod: Peer = { kind: "members", members: { kind: "pods" } };
  return [
    { ...rule, services: numbered },
    { ...rule, id: `${rule.id} named`, peers: [everyPod], services: named },
  ];
}

/** Returns the directions of a policy. Without policyTypes, egress counts only if it has rules (API v1). */
export function directionsOf({ policyTypes = [], egress = [] }: NetworkPolicy): Direction[] {
  if (policyTypes.length === 0) return egress.length > 0 ? ["in", "out"] : ["in"];
  const isAsked = (direction: Direction) => policyTypes.includes(TYPES[direction]);
  return DIRECTIONS.filter(isAsked);
}

function entriesOf({ ingress = [], egress = [] }: NetworkPolicy, direction: Direction) {
  return direction === "in"
    ? ingress.map(({ from = [], ports = [] }) => ({ peers: from, ports }))
    : egress.map(({ to = [], ports = [] }) => ({ peers: to, ports }));
}

function peersOf(
  peers: readonly KubePeer[],
  namespace: string,
  note: (problem: string) => void,
): Peer[] | undefined {
  if (peers.length === 0) return undefined;
  const read = peers.map((peer): Peer | undefined => {
    if (peer.ipBlock) return blockOf(peer.ipBlock, note);
    const { podSelector, namespaceSelector } = peer;
    if (!podSelector && !namespaceSelector) {
      note("a peer has no selector and no ipBlock, and matches nothing");
      return undefined;
    }
    const only = namespaceSelector ? undefined : namespace;
    return {
      kind: "members",
      members: { kind: "pods", namespace: only, namespaceSelector, podSelector },
    };
  });
  return read.filter((one) => one !== undefined);
}

function blockOf(
  { cidr, except = [] }: NonNullable<KubePeer["ipBlock"]>,
  note: (problem: string) => void,
): Peer | undefined {
  const reject = (problem: string) => {
    note(problem);
    return undefined;
  };
  try {
    const block = parseBlock(cidr);
    if (!block) return reject(`ipBlock ${cidr} is IPv6, and matches nothing on IPv4 networks`);
    const excepts: Subnet[] = [];
    for (const text of except) {
      const one = parseBlock(text);
      if (!one || !subnetHolds(block, one)) {
        return reject(`except ${text} is not inside ${cidr}, so the block matches nothing`);
      }
      excepts.push(one);
    }
    return { kind: "block", block, excepts };
  } catch (error) {
    return reject(`ipBlock matches nothing: ${faultFrom(error).what}`);
  }
}

function servicesOf(
  ports: readonly KubePort[],
  note: (problem: string) => void,
): Service[] | undefined {
  if (ports.length === 0) return undefined;
  const read = ports.map((one): Service | undefined => {
    const { protocol: name = "TCP", port, endPort } = one;
    const protocol = NUMBERS.get(name);
    const bad = portProblem(port, endPort);
    if (protocol === undefined || bad) {
      note(`${bad ?? `protocol ${oneLine(String(name), 20)} is not known`}, and matches nothing`);
      return undefined;
    }
    if (port === undefined) return { protocol };
    if (typeof port === "string") return { protocol, named: port };
    return { protocol, ports: { first: port, last: endPort ?? port } };
  });
  return read.filter((one) => one !== undefined);
}

function portProblem(port: KubePort["port"], endPort: number | undefined): string | undefined {
  const isPort = (one: unknown) =>
    Number.isInteger(one) && Number(one) >= 1 && Number(one) <= 65_535;
  if (typeof port !== "number") {
    return endPort === undefined ? undefined : `endPort ${endPort} without a port number`;
  }
  if (!isPort(port)) return `port ${port} is out of range (1-65535)`;
  if (endPort === undefined || (isPort(endPort) && endPort >= port)) return undefined;
  return `endPort ${endPort} is out of range (${port}-65535)`;
}
