// The driver of links in memory: what it promises is what lib/net/links.ts says, and the tests of
// tests/contract/links_contract.ts hold it to that, as they do the real drivers.

import type { HostEnd, Links, PairSpec, PodLink } from "../../lib/net/links.ts";
import { checkAliasPrefix, checkNetns, parseAddress, parsePair } from "../../lib/net/pair_spec.ts";
import {
  checkIdentity,
  hostEndTaken,
  interfaceTaken,
  notOurs,
  notPaired,
  routeTaken,
  sandboxGone,
} from "../../lib/net/sandbox_checks.ts";
import { CallRecorder } from "./call_recorder.ts";
import type { MemoryKernel, MemoryLink, MemoryNamespace } from "./memory_kernel.ts";

// All namespaces have the same device number; only that matters.
const DEV = 4;

/** Links in a MemoryKernel. */
export class MemoryLinks implements Links {
  readonly driver = "netlink";
  /** The calls so far; also where a test injects faults. */
  readonly recorder = new CallRecorder<Links>();
  readonly #kernel: MemoryKernel;
  readonly #aliasPrefix: string;

  /** Links of `kernel` whose alias begins with `aliasPrefix` are ours. Faults: usage. */
  constructor(kernel: MemoryKernel, aliasPrefix: string) {
    checkAliasPrefix(aliasPrefix);
    this.#kernel = kernel;
    this.#aliasPrefix = aliasPrefix;
  }

  createPair(given: PairSpec): Promise<void> {
    return this.recorder.run("createPair", [given], async () => {
      const spec = parsePair(given, this.#aliasPrefix);
      const inside = this.#sandboxAt(spec.netns, spec.netnsInode);
      this.#addPair(spec, inside);
      // As with the real kernel, others act between the steps.
      await Promise.resolve();
      if (inside !== this.#sandboxAt(spec.netns, spec.netnsInode)) {
        throw sandboxGone(spec.netns, "no such file");
      }
      this.#setEnds(spec, inside);
    });
  }

  ensurePodSide(given: PairSpec): Promise<void> {
    return this.recorder.run("ensurePodSide", [given], () => {
      const spec = parsePair(given, this.#aliasPrefix);
      const inside = this.#sandboxAt(spec.netns, spec.netnsInode);
      const podEnd = inside.links.get(spec.interface);
      const hostEnd = this.#kernel.host.links.get(spec.hostEnd);
      if (!podEnd || !hostEnd || hostEnd.peer !== podEnd) {
        throw notPaired(spec.hostEnd, spec.interface, spec.netns);
      }
      if (spec.gateway !== undefined && isRouteTaken(inside, podEnd)) {
        throw routeTaken(spec.gateway, spec.netns);
      }
      this.#setEnds(spec, inside);
    });
  }

  removeLinks(names: readonly string[]): Promise<void> {
    return this.recorder.run("removeLinks", [names], () => {
      const present = [...this.#kernel.host.links.values()]
        .filter((link) => names.includes(link.name));
      for (const link of present) if (this.#isOurs(link)) this.#kernel.deleteLink(link);
      const foreign = present.filter((link) => !this.#isOurs(link)).map(({ name }) => name);
      if (names.includes("lo")) foreign.push("lo");
      if (foreign.length > 0) throw notOurs(foreign);
    });
  }

  hostEnds(): Promise<HostEnd[]> {
    return this.recorder.run("hostEnds", [], () => {
      return [...this.#kernel.host.links.values()].filter((link) => this.#isOurs(link))
        .map(({ name, alias, isUp, mtu }) => ({ name, alias, isUp, mtu }));
    });
  }

  podLinks(netns: string, netnsInode?: number): Promise<PodLink[]> {
    return this.recorder.run("podLinks", [netns, netnsInode], () => {
      checkNetns(netns);
      const inside = this.#sandboxAt(netns, netnsInode);
      return [...inside.links.values()].map(({ name, mac, mtu, isUp, addresses }) => {
        return { name, mac, mtu, isUp, addresses: [...addresses] };
      });
    });
  }

  podGateways(netns: string, netnsInode?: number): Promise<string[]> {
    return this.recorder.run("podGateways", [netns, netnsInode], () => {
      checkNetns(netns);
      const { defaultRoute } = this.#sandboxAt(netns, netnsInode);
      return defaultRoute ? [defaultRoute.gateway] : [];
    });
  }

  linkMtus(addresses: readonly string[]): Promise<number[]> {
    return this.recorder.run("linkMtus", [addresses], () => {
      addresses.forEach(parseAddress);
      const has = (cidr: string) => addresses.includes(cidr.split("/")[0]!);
      const links = [...this.#kernel.host.links.values()];
      const found = links.filter((link) => link.addresses.some(has)).map(({ mtu }) => mtu);
      return addresses.includes("127.0.0.1") ? [65_536, ...found] : found;
    });
  }

  defaultRouteLinks(): Promise<string[]> {
    return this.recorder.run("defaultRouteLinks", [], () => {
      const route = this.#kernel.host.defaultRoute;
      return route ? [route.link.name] : [];
    });
  }

  close(): void {}

  #sandboxAt(netns: string, inode: number | undefined): MemoryNamespace {
    const namespace = this.#kernel.namespaceAt(netns);
    const found = namespace && { dev: DEV, inode: namespace.inode };
    checkIdentity(netns, { found, own: { dev: DEV, inode: this.#kernel.host.inode }, inode });
    return namespace!;
  }

  /** Makes both ends as the real drivers do in their first step: the host end has no alias yet. */
  #addPair(
    { hostEnd, interface: name, netns, mac, mtu, gateway }: PairSpec,
    inside: MemoryNamespace,
  ) {
    if (this.#kernel.host.links.has(hostEnd)) throw hostEndTaken(hostEnd);
    if (inside.links.has(name)) throw interfaceTaken(name, netns);
    if (gateway !== undefined && inside.defaultRoute) throw routeTaken(gateway, netns);
    this.#kernel.addPair({ name: hostEnd, mtu, isHalfMade: true }, inside, { name, mac, mtu });
  }

  #setEnds(spec: PairSpec, inside: MemoryNamespace): void {
    const { mac, mtu, alias, addresses, gateway, formerGateway } = spec;
    const hostEnd = this.#kernel.host.links.get(spec.hostEnd)!;
    Object.assign(hostEnd, { alias, mtu, isUp: true, isHalfMade: false });
    const podEnd = inside.links.get(spec.interface)!;
    const missing = addresses.filter((one) => !podEnd.addresses.includes(one));
    Object.assign(podEnd, { mac, mtu, isUp: true });
    podEnd.addresses.push(...missing);
    if (gateway !== undefined) inside.defaultRoute = { gateway, link: podEnd };
    else if (
      formerGateway !== undefined && inside.defaultRoute?.gateway === formerGateway &&
      inside.defaultRoute.link === podEnd
    ) inside.defaultRoute = undefined;
  }

  #isOurs({ alias, isHalfMade }: MemoryLink): boolean {
    return alias.startsWith(this.#aliasPrefix) || isHalfMade;
  }
}

function isRouteTaken({ defaultRoute }: MemoryNamespace, podEnd: MemoryLink): boolean {
  return defaultRoute !== undefined && defaultRoute.link !== podEnd;
}
