// The contract's bench for the drivers of real links: network namespaces of this machine, read and
// changed by `ip`. Root only.

import { assertEquals } from "@std/assert";
import type { Links } from "../../lib/net/links.ts";
import { openLinks } from "../../lib/net/open_links.ts";
import { run } from "../../lib/util/run.ts";
import { linksHere, makeSandbox, type SeenLink } from "../lab/sandbox.ts";
import { waitFor } from "../lab/wait.ts";
import type { BenchNamespace, BenchSandbox, ForeignLink, LinksBench } from "./links_bench.ts";

const own = ownNamespace();

/** Returns the bench of one real driver. */
export function kernelBench(driver: Exclude<Links["driver"], undefined>): LinksBench {
  return {
    links: openLinks({ driver, aliasPrefix: "k8contivnet:" }),
    host: namespaceOf((cmd, ...args) => run(cmd, args), linksHere),
    makeSandbox: makeBenchSandbox,
    turnsPerStep: driver === "ip" ? 20 : 1, // a command takes milliseconds, a request none
    checkOwnNamespace: () => assertEquals(ownNamespace(), own),
  };
}

function ownNamespace(): string {
  return Deno.readLinkSync("/proc/thread-self/ns/net");
}

async function makeBenchSandbox(): Promise<BenchSandbox> {
  const sandbox = await makeSandbox();
  return {
    ...namespaceOf(sandbox.run, sandbox.links),
    netns: sandbox.netns,
    inode: sandbox.inode,
    spec: sandbox.spec,
    addHalfMadePair: async ({ hostEnd, interface: name }) => {
      const end = ["link", "add", "name", hostEnd, "group", String(0x6b386376)];
      await run("ip", [...end, "type", "veth", "peer", "name", name, "netns", sandbox.netns]);
    },
    // The kernel assigns it a link-local address, and news of its carrier, a moment later.
    settled: async (name) => {
      await waitFor("the link to settle", async () => {
        return (await sandbox.link(name))?.ipv6.length === 1;
      });
    },
    delete: async () => void await run("ip", ["netns", "del", sandbox.name]),
    [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
  };
}

type Inside = (cmd: string, ...args: string[]) => Promise<string>;

/** Returns a namespace as `inside` sees and changes it by commands. */
export function namespaceOf(inside: Inside, allLinks: () => Promise<SeenLink[]>): BenchNamespace {
  const ip = (...args: string[]) => inside("ip", ...args);
  const links = async () => (await allLinks()).filter(({ name }) => name !== "lo");
  const change = async (link: ForeignLink) => {
    const { name, mac, mtu, alias, isUp, addresses = [] } = link;
    const words = [
      ...mac === undefined ? [] : ["address", mac],
      ...mtu === undefined ? [] : ["mtu", String(mtu)],
      ...alias === undefined ? [] : ["alias", alias],
      ...isUp === undefined ? [] : [isUp ? "up" : "down"],
    ];
    if (words.length > 0) await ip("link", "set", "dev", name, ...words);
    for (const address of addresses) await ip("address", "add", address, "dev", name);
  };
  return {
    links,
    link: async (wanted) => (await links()).find(({ name }) => name === wanted),
    addLink: async (link) => {
      const peer = `${link.name}x`.slice(-15);
      await ip("link", "add", "name", link.name, "type", "veth", "peer", "name", peer);
      if (link.isUp === true) await ip("link", "set", "dev", peer, "up");
      await change(link);
    },
    changeLink: change,
    deleteLink: async (name) => void await ip("link", "del", "dev", name),
    removeAddresses: async (name, addresses) => {
      for (const address of addresses) await ip("address", "del", address, "dev", name);
    },
    defaultRoute: async () => (await ip("route", "show", "default")).trim(),
    setDefaultRoute: async (gateway) => {
      if (gateway === undefined) await ip("route", "del", "default");
      else await ip("route", "replace", "default", "via", gateway);
    },
  };
}
