// Network namespaces and their links in memory: the part of Linux that MemoryLinks and MemoryRuntimes
// share, as the real drivers share the kernel.

/** A link in one namespace. A test changes it as an operator would by hand. */
export interface MemoryLink {
  readonly index: number;
  readonly name: string;
  namespace: MemoryNamespace;
  mac: string;
  /** In bytes. */
  mtu: number;
  isUp: boolean;
  alias: string;
  /** IPv4 with prefix length, `11.1.0.2/24`. */
  addresses: string[];
  /** In the group of a host end whose pair was cut off before it got its alias. */
  isHalfMade: boolean;
  peer: MemoryLink | undefined;
  /** The macvlan on it, in any namespace. */
  child?: MemoryLink | undefined;
  /** The link that it is a macvlan on. */
  readonly lower?: MemoryLink;
}

/** What a link is made with; the rest has the kernel's defaults. */
export type NewLink = Pick<MemoryLink, "name"> & Partial<MemoryLink>;

/** A default route. */
export interface MemoryRoute {
  readonly gateway: string;
  readonly link: MemoryLink;
}

/** One network namespace. */
export class MemoryNamespace {
  /** Of the namespace's file; no two namespaces ever have the same. */
  readonly inode: number;
  readonly links = new Map<string, MemoryLink>();
  #route: MemoryRoute | undefined;

  /** Makes one with nothing in it but its loopback, which is not listed. */
  constructor(inode: number) {
    this.inode = inode;
  }

  /** The default route; the kernel drops it with its link's last address, and when the link goes down. */
  get defaultRoute(): MemoryRoute | undefined {
    const link = this.#route?.link;
    const isUsable = link?.isUp && link.addresses.length > 0 &&
      this.links.get(link.name) === link;
    if (!isUsable) this.#route = undefined;
    return this.#route;
  }

  /** Replaces the default route, or removes it. */
  set defaultRoute(route: MemoryRoute | undefined) {
    this.#route = route;
  }
}

/** All namespaces of one host. */
export class MemoryKernel {
  /** The host's own namespace. */
  readonly host: MemoryNamespace;
  readonly #byPath = new Map<string, MemoryNamespace>();
  #inodes = 4_026_531_840;
  #indexes = 1;

  constructor() {
    this.host = this.#newNamespace();
  }

  /** Makes a namespace at `netns`, `/run/netns/NAME`. */
  addNamespace(netns: string): MemoryNamespace {
    const namespace = this.#newNamespace();
    this.#byPath.set(netns, namespace);
    return namespace;
  }

  /** Names an existing namespace also `netns`. */
  nameNamespace(netns: string, namespace: MemoryNamespace): void {
    this.#byPath.set(netns, namespace);
  }

  /** Returns the namespace at `netns`. */
  namespaceAt(netns: string): MemoryNamespace | undefined {
    return this.#byPath.get(netns);
  }

  /** Removes a name; the namespace goes with its last one, and its links and their peers with it. */
  deleteNamespace(netns: string): void {
    const namespace = this.#byPath.get(netns);
    this.#byPath.delete(netns);
    if (!namespace || namespace === this.host) return;
    if ([...this.#byPath.values()].includes(namespace)) return;
    for (const link of namespace.links.values()) this.deleteLink(link);
  }

  /** Makes a link without a peer. */
  addLink(namespace: MemoryNamespace, parts: NewLink): MemoryLink {
    const index = ++this.#indexes;
    const defaults = { mac: macFor(index), mtu: 1_500, isUp: false, alias: "", addresses: [] };
    const rest = { isHalfMade: false, peer: undefined };
    const link: MemoryLink = { ...defaults, ...rest, ...parts, index, namespace };
    namespace.links.set(link.name, link);
    return link;
  }

  /** Makes a pair of links: one in the host's namespace, one in `namespace`. */
  addPair(here: NewLink, namespace: MemoryNamespace, there: NewLink): void {
    const [hostEnd, podEnd] = [this.addLink(this.host, here), this.addLink(namespace, there)];
    [hostEnd.peer, podEnd.peer] = [podEnd, hostEnd];
  }

  /** Makes a macvlan on `lower`. */
  addChild(lower: MemoryLink, namespace: MemoryNamespace, parts: NewLink): MemoryLink {
    return lower.child = this.addLink(namespace, { ...parts, lower });
  }

  /** Moves a link to another namespace, where it is down and has no address. */
  moveLink(name: string, from: MemoryNamespace, to: MemoryNamespace): void {
    const link = from.links.get(name)!;
    from.links.delete(name);
    Object.assign(link, { namespace: to, isUp: false, addresses: [] });
    to.links.set(name, link);
  }

  /** Removes a link, its peer, and the macvlans on both. */
  deleteLink(link: MemoryLink): void {
    for (const end of [link, link.peer, link.child, link.peer?.child]) {
      end?.namespace.links.delete(end.name);
    }
    if (link.lower) link.lower.child = undefined;
  }

  #newNamespace(): MemoryNamespace {
    return new MemoryNamespace(++this.#inodes);
  }
}

function macFor(index: number): string {
  const digits = index.toString(16).padStart(8, "0");
  return `4a:00:${digits.match(/../g)!.join(":")}`;
}
