// Who may reach what, read from the intent alone: no flow, no rule and no record is looked at. The plain words of the
// README's tables as code, against which model, switch and traffic are judged.

import { isWithin } from "./addresses.ts";
import {
  type FileNetwork,
  type FileTenant,
  HOSTS,
  type Probe,
  type RandomCluster,
  SERVICE_CIDRS,
  UPLINKS,
} from "./random_clusters.ts";

/** Where a packet should arrive. */
export interface Expected {
  /** `pod ID`, `host NAME`, `outside`, or `nowhere`. */
  readonly place: string;
  /** The source that the receiver sees; undefined where it does not matter. */
  readonly source?: string | undefined;
}

interface Pod {
  readonly id: string;
  readonly address: string;
  readonly host: string;
  readonly network: Network;
}

interface Network {
  readonly id: string;
  readonly tenant: string;
  readonly subnet: string;
  readonly isDistributed: boolean;
  /** Its subnet is its own in the hosts' stacks. */
  readonly isOwner: boolean;
  readonly reach: readonly string[];
  readonly names: readonly string[];
  /** Hosts masquerade what leaves. */
  readonly isMasqueraded: boolean;
}

const NOWHERE: Expected = { place: "nowhere" };
const NEVER_OUTSIDE = ["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"];

/** A cluster as its intent reads. */
export class ReachEvaluator {
  readonly #cluster: RandomCluster;
  readonly #networks: readonly Network[];
  readonly #pods: readonly Pod[];
  readonly #marksHosts: boolean;

  /** `marksHosts`: kube-proxy masquerades the hosts' own connections to services. */
  constructor(cluster: RandomCluster, { marksHosts }: { readonly marksHosts: boolean }) {
    this.#cluster = cluster;
    this.#marksHosts = marksHosts;
    this.#networks = networksOf(cluster.tenants);
    this.#pods = cluster.tenants.flatMap((tenant) =>
      tenant.Networks.flatMap((one) => {
        const id = `${tenant.Name}/${one.Name}`;
        const network = this.#networks.find((network) => network.id === id)!;
        return one.Endpoints.map(({ Container, IpAddress }) => ({
          ...{ id: `${id}/${Container}`, address: IpAddress, network },
          host: cluster.places.get(`${id}/${Container}`)!,
        }));
      })
    );
  }

  /** Returns where the first packet of a connection should arrive. */
  expect({ from, to }: Probe): Expected {
    const [kind, name = ""] = from.split(" ");
    if (kind === "pod") return this.#fromPod(this.#pods.find(({ id }) => id === name)!, to);
    return kind === "host" ? this.#fromHost(name, to) : this.#fromOutside(name, to);
  }

  /** Returns the address of a pod. */
  addressOf(id: string): string {
    return this.#pods.find((one) => one.id === id)!.address;
  }

  #fromPod(pod: Pod, to: string): Expected {
    const { network, host } = pod;
    const may = (word: string) => network.reach.includes(word);
    // Its own network is connected by the switch, whatever is said.
    if (isWithin(to, network.subnet)) return this.#arrives(network, to, pod.address);
    if (!network.isDistributed) return NOWHERE;
    const node = nodeOf(to);
    if (node !== undefined || to === uplinkOf(host)) {
      const isElsewhere = node !== undefined && node !== host;
      // Another host would take a pod of an aliased network for one of the owner's.
      if (!may("host") || (isElsewhere && !network.isOwner)) return NOWHERE;
      return { place: `host ${node ?? host}` };
    }
    const routed = this.#routedTo(network).find(({ subnet }) => isWithin(to, subnet));
    if (routed) return this.#arrives(routed, to, pod.address);
    // Others' pods are never the outside; nor are the addresses that stand for pods.
    if (this.#distributed.some(({ subnet }) => isWithin(to, subnet))) return NOWHERE;
    if (isWithin(to, "100.64.0.0/16")) return NOWHERE;
    if (SERVICE_CIDRS.some((cidr) => isWithin(to, cidr))) {
      return may("services") ? this.#service(pod, to) : NOWHERE;
    }
    if (NEVER_OUTSIDE.some((cidr) => isWithin(to, cidr)) || !may("outside")) return NOWHERE;
    return this.#leaves(pod, to);
  }

  /** Out by the uplink of the pod's host; it may lead to another host. */
  #leaves({ network, host, address }: Pod, to: string): Expected {
    const other = HOSTS.find((name) => name !== host && uplinkOf(name) === to);
    const source = network.isMasqueraded || other !== undefined ? uplinkOf(host) : address;
    return { place: other === undefined ? "outside" : `host ${other}`, source };
  }

  /** The backend's address means a pod of the asker's network, else of a routed one, else the owner's. */
  #service(pod: Pod, to: string): Expected {
    const backend = this.#cluster.services.find(({ address }) => address === to)?.backend;
    if (backend === undefined) return NOWHERE;
    const { network, host } = pod;
    if (backend === pod.address) {
      const source = network.isOwner ? `100.66.0.${numberOf(host)}` : undefined;
      return { place: `pod ${pod.id}`, source };
    }
    const own = [network, ...this.#routedTo(network).filter(({ isOwner }) => isOwner)]
      .find(({ subnet }) => isWithin(backend, subnet));
    if (own) return this.#arrives(own, backend, pod.address);
    const owner = this.#ownerOf(backend);
    if (owner) return this.#arrives(owner, backend, `100.66.0.${numberOf(host)}`);
    if (this.#distributed.some(({ subnet }) => isWithin(backend, subnet))) return NOWHERE;
    if (backend === uplinkOf(host)) return { place: `host ${host}` };
    return { ...this.#leaves(pod, backend), source: uplinkOf(host) };
  }

  #fromHost(host: string, to: string): Expected {
    const backend = this.#cluster.services.find(({ address }) => address === to)?.backend;
    const target = backend ?? to;
    const alias = this.#pods.find((one) => one.host === host && this.#aliasOf(one) === target);
    if (alias) return { place: `pod ${alias.id}` };
    const owner = this.#ownerOf(target);
    const node = `100.65.0.${numberOf(host)}`;
    const alone = this.#alone(host, target);
    // What kube-proxy masquerades is no longer the host's own: a pod of that address has to be the owner's.
    const isOwn = backend === undefined || !this.#marksHosts;
    if (alone && isOwn) return { place: `pod ${alone.id}`, source: node };
    if (owner) return this.#arrives(owner, target, isOwn ? node : undefined);
    if (this.#distributed.some(({ subnet }) => isWithin(target, subnet))) return NOWHERE;
    if (this.#isAlias(target)) return NOWHERE;
    if (SERVICE_CIDRS.some((cidr) => isWithin(target, cidr))) return NOWHERE;
    const other = HOSTS.find((name) => uplinkOf(name) === target);
    return { place: other === undefined ? "outside" : `host ${other}` };
  }

  /** Returns the pod of an aliased network here with an address that no other pod could be meant by. */
  #alone(host: string, address: string): Pod | undefined {
    const known = this.#pods.filter((one) =>
      one.network.isDistributed && one.address === address &&
      (one.host === host || one.network.isOwner)
    );
    const [pod] = known;
    return known.length === 1 && pod && !pod.network.isOwner && pod.host === host ? pod : undefined;
  }

  #fromOutside(host: string, to: string): Expected {
    const backend = this.#cluster.services.find(({ address }) => address === to)?.backend;
    // Of strangers, only who comes by a NodePort is let in.
    if (backend !== undefined) {
      const owner = this.#ownerOf(backend);
      if (!owner) {
        if (this.#distributed.some(({ subnet }) => isWithin(backend, subnet))) return NOWHERE;
        const other = HOSTS.find((name) => uplinkOf(name) === backend);
        return { place: other === undefined ? "outside" : `host ${other}` };
      }
      return owner.reach.includes("ports")
        ? this.#arrives(owner, backend, `100.66.0.${numberOf(host)}`)
        : NOWHERE;
    }
    if (nodeOf(to) === host || uplinkOf(host) === to) return { place: `host ${host}` };
    if (this.#distributed.some(({ subnet }) => isWithin(to, subnet))) return NOWHERE;
    return this.#isAlias(to) ? NOWHERE : { place: "outside" };
  }

  /** Where all networks own their subnets, hosts have no aliases. */
  #isAlias(address: string): boolean {
    return isWithin(address, "100.64.0.0/16") && this.#distributed.some(({ isOwner }) => !isOwner);
  }

  get #distributed(): readonly Network[] {
    return this.#networks.filter(({ isDistributed }) => isDistributed);
  }

  #ownerOf(address: string): Network | undefined {
    return this.#networks.find(({ isOwner, subnet }) => isOwner && isWithin(address, subnet));
  }

  /** A tenant opens its own networks by one wish, another's only if that one wishes it, too. */
  #routedTo(network: Network): readonly Network[] {
    return this.#distributed.filter((other) => {
      const [there, back] = [network.names.includes(other.id), other.names.includes(network.id)];
      return other !== network && (other.tenant === network.tenant ? there || back : there && back);
    });
  }

  #arrives({ id }: Network, address: string, source: string | undefined): Expected {
    const pod = this.#pods.find((one) => one.network.id === id && one.address === address);
    return pod ? { place: `pod ${pod.id}`, source } : NOWHERE;
  }

  /** Aliases are given in the order of the file, to each host's own pods. */
  #aliasOf(pod: Pod): string | undefined {
    if (pod.network.isOwner || !pod.network.isDistributed) return undefined;
    const here = this.#pods.filter(({ network, host }) =>
      network.isDistributed && !network.isOwner && host === pod.host
    );
    return `100.64.0.${here.indexOf(pod) + 1}`;
  }
}

/** The first network of the file with a subnet owns it; one that overlaps it is aliased. */
function networksOf(tenants: readonly FileTenant[]): Network[] {
  const found: Network[] = [];
  for (const tenant of tenants) {
    for (const one of tenant.Networks) {
      const isDistributed = (one.GatewayType ?? tenant.GatewayType) === "distributed";
      const isTaken = found.some(({ isOwner, subnet }) =>
        isOwner && overlaps(subnet, one.SubnetCIDR)
      );
      found.push({
        ...{ id: `${tenant.Name}/${one.Name}`, tenant: tenant.Name, subnet: one.SubnetCIDR },
        ...{ isDistributed, isOwner: isDistributed && !isTaken },
        reach: isDistributed ? one.Reach ?? tenant.Reach ?? [] : [],
        names: isDistributed ? namesOf(one, tenant) : [],
        isMasqueraded: one.NatOutgoing ?? true,
      });
    }
  }
  return found;
}

function namesOf(network: FileNetwork, tenant: FileTenant): string[] {
  return (network.ReachNetworks ?? tenant.ReachNetworks ?? [])
    .map((name) => name.includes("/") ? name : `${tenant.Name}/${name}`);
}

function overlaps(a: string, b: string): boolean {
  return isWithin(a.split("/")[0]!, b) || isWithin(b.split("/")[0]!, a);
}

/** Returns the host of a NODE or NAT address. */
function nodeOf(address: string): string | undefined {
  const [, number] = /^100\.6[56]\.0\.(\d)$/.exec(address) ?? [];
  return HOSTS.find((name) => String(numberOf(name)) === number);
}

function numberOf(host: string): number {
  return HOSTS.indexOf(host) + 1;
}

function uplinkOf(host: string): string {
  return UPLINKS[host as keyof typeof UPLINKS];
}
