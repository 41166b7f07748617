// The contract's bench for links in memory: a kernel of its own for each test.

import { INCOMPLETE_GROUP, isOnLink } from "../../lib/net/pair_spec.ts";
import type {
  BenchNamespace,
  BenchSandbox,
  ForeignLink,
  LinksBench,
} from "../contract/links_bench.ts";
import type { WarmBench } from "../contract/warm_links_contract.ts";
import { randomHex } from "../lab/pod.ts";
import { pairFor, type SeenLink } from "../lab/sandbox.ts";
import { MemoryKernel, type MemoryLink, type MemoryNamespace } from "./memory_kernel.ts";
import { MemoryLinks } from "./memory_links.ts";
import { MemoryWarmLinks } from "./memory_warm_links.ts";

/** Returns a bench with no sandbox. */
export function memoryBench(): LinksBench {
  const kernel = new MemoryKernel();
  return {
    links: new MemoryLinks(kernel, "k8contivnet:"),
    host: viewOf(kernel, kernel.host),
    makeSandbox: () => Promise.resolve(makeSandbox(kernel)),
    turnsPerStep: 1,
  };
}

function makeSandbox(kernel: MemoryKernel): BenchSandbox {
  const netns = `/run/netns/net-${randomHex(12)}`;
  const namespace = kernel.addNamespace(netns);
  const remove = () => {
    kernel.deleteNamespace(netns);
    return Promise.resolve();
  };
  return {
    ...viewOf(kernel, namespace),
    netns,
    inode: namespace.inode,
    spec: (parts = {}) => ({ ...pairFor(netns, namespace.inode), ...parts }),
    addHalfMadePair: ({ hostEnd, interface: name }) => {
      kernel.addPair({ name: hostEnd, isHalfMade: true }, namespace, { name });
      return Promise.resolve();
    },
    settled: () => Promise.resolve(),
    delete: remove,
    [Symbol.asyncDispose]: remove,
  };
}

function viewOf(kernel: MemoryKernel, namespace: MemoryNamespace): BenchNamespace {
  const find = (name: string) => namespace.links.get(name);
  const change = ({ addresses = [], ...parts }: ForeignLink) => {
    const link = find(parts.name);
    if (!link) throw new Error(`no link ${parts.name}`);
    Object.assign(link, parts);
    link.addresses.push(...addresses);
  };
  return {
    links: async () => await [...namespace.links.values()].map(seen),
    link: async (name) => {
      const link = find(name);
      return await (link && seen(link));
    },
    addLink: async (link) => {
      const [one, other] = [{ name: link.name }, { name: `${link.name}x`.slice(-15) }];
      const [first, second] = [kernel.addLink(namespace, one), kernel.addLink(namespace, other)];
      Object.assign(first, { peer: second });
      Object.assign(second, { peer: first, isUp: link.isUp === true });
      await change(link);
    },
    changeLink: async (link) => await change(link),
    deleteLink: async (name) => await kernel.deleteLink(find(name)!),
    removeAddresses: async (name, addresses) => {
      const link = find(name)!;
      link.addresses = await link.addresses.filter((one) => !addresses.includes(one));
    },
    defaultRoute: async () => await routeText(namespace),
    setDefaultRoute: async (gateway) => {
      const link = [...namespace.links.values()].find((one) =>
        isOnLink(gateway ?? "", one.addresses)
      );
      namespace.defaultRoute = await (gateway && link ? { gateway, link } : undefined);
    },
  };
}

function seen({ peer, addresses, isUp, alias, isHalfMade, ...link }: MemoryLink): SeenLink {
  return {
    index: link.index,
    peerIndex: peer?.index,
    name: link.name,
    flags: [...isUp ? ["UP"] : [], ...isUp && peer?.isUp ? ["LOWER_UP"] : []],
    mtu: link.mtu,
    group: isHalfMade ? String(INCOMPLETE_GROUP) : "default",
    mac: link.mac,
    alias: alias === "" ? undefined : alias,
    addrGenMode: undefined,
    ipv4: addresses.toSorted(),
    ipv6: [],
  };
}

function routeText({ defaultRoute }: MemoryNamespace): string {
  if (!defaultRoute) return "";
  const { gateway, link } = defaultRoute;
  const onLink = isOnLink(gateway, link.addresses) ? "" : " onlink";
  return `default via ${gateway} dev ${link.name}${onLink}`;
}

/** Returns a bench of warm ports' links, with an empty holding namespace. */
export function memoryWarmBench(): Promise<WarmBench> {
  const kernel = new MemoryKernel();
  const holding = kernel.addNamespace("/run/netns/hold");
  const warm = new MemoryWarmLinks(kernel, "k8contivnet:");
  return Promise.resolve({
    links: new MemoryLinks(kernel, "k8contivnet:"),
    host: viewOf(kernel, kernel.host),
    makeSandbox: () => Promise.resolve(makeSandbox(kernel)),
    warm,
    holding: viewOf(kernel, holding),
    moveLink: async (name, from, to) => {
      await kernel.moveLink(name, kernel.namespaceAt(from.netns)!, kernel.namespaceAt(to.netns)!);
    },
  });
}
