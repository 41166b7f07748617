// A sandbox's namespace for tests of links, and what `ip -j -d` says of any namespace: a reader that
// owes nothing to our own drivers.

import type { PairSpec } from "../../lib/net/links.ts";
import { run } from "./run.ts";
import { randomHex } from "./pod.ts";

/** One link as `ip -j -d` shows it. */
export interface SeenLink {
  readonly index: number;
  readonly peerIndex: number | undefined;
  readonly name: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly group: string;
  readonly mac: string;
  readonly alias: string | undefined;
  /** How it makes IPv6 addresses; undefined where it knows no IPv6. */
  readonly addrGenMode: string | undefined;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

type Inside = (cmd: string, ...args: string[]) => Promise<string>;

/** A namespace of its own, with no link but its loopback. */
export interface LabSandbox extends AsyncDisposable {
  readonly name: string;
  readonly netns: string;
  readonly inode: number;
  /** Returns a pair for this sandbox; `parts` replaces what a test is about. */
  spec(parts?: Partial<PairSpec>): PairSpec;
  /** Runs a command inside. */
  run(cmd: string, ...args: string[]): Promise<string>;
  /** Returns all links inside. */
  links(): Promise<SeenLink[]>;
  /** Returns the link of that name inside. */
  link(name?: string): Promise<SeenLink | undefined>;
}

/** Makes a sandbox. */
export async function makeSandbox(): Promise<LabSandbox> {
  const name = `net-${randomHex(12)}`;
  const netns = `/run/netns/${name}`;
  await run("ip", ["netns", "add", name]);
  const inode = await inodeOf(netns);
  const inside = (cmd: string, ...args: string[]) =>
    run("nsenter", [`--net=${netns}`, cmd, ...args]);
  return {
    name,
    netns,
    inode,
    spec: (parts = {}) => ({ ...pairFor(netns, inode), ...parts }),
    run: inside,
    links: () => seenLinks(inside),
    link: async (wanted = "eth0") => (await seenLinks(inside)).find((link) => link.name === wanted),
    [Symbol.asyncDispose]: async () => {
      await run("ip", ["netns", "del", name]).catch(() => {});
    },
  };
}

/** Returns the links of this namespace. */
export function linksHere(): Promise<SeenLink[]> {
  return seenLinks((cmd, ...args) => run(cmd, args));
}

/** Returns this namespace's link of that name. */
export async function linkHere(name: string): Promise<SeenLink | undefined> {
  return (await linksHere()).find((link) => link.name === name);
}

/** Returns the inode of what is at `path`. */
export async function inodeOf(path: string): Promise<number> {
  return Number(await run("stat", ["-L", "-c", "%i", path]));
}

/** What is read of a link in the answer of `ip -j -d link`. */
interface IpLink {
  readonly ifindex: number;
  readonly "link_index"?: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly group: string;
  readonly address: string;
  readonly ifalias?: string;
  readonly "inet6_addr_gen_mode"?: string;
}

/** What is read of a link in the answer of `ip -j address`. */
interface IpAddresses {
  readonly ifindex: number;
  readonly "addr_info"?: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
  }[];
}

/** Returns the links of the namespace that `inside` runs commands in. */
export async function seenLinks(inside: Inside): Promise<SeenLink[]> {
  const links: IpLink[] = JSON.parse(await inside("ip", "-j", "-d", "link", "show"));
  const withAddresses: IpAddresses[] = JSON.parse(await inside("ip", "-j", "address", "show"));
  const addresses = (index: number, family: string): string[] => {
    const link = withAddresses.find((one) => one.ifindex === index);
    return (link?.addr_info ?? []).filter((one) => one.family === family)
      .map((one) => `${one.local}/${one.prefixlen}`).sort();
  };
  return links.map((link): SeenLink => ({
    index: link.ifindex,
    peerIndex: link.link_index,
    name: link.ifname,
    // The kernel notices a carrier a moment after both ends are up.
    flags: link.flags.filter((flag) => flag !== "NO-CARRIER"),
    mtu: link.mtu,
    group: link.group,
    mac: link.address,
    alias: link.ifalias,
    addrGenMode: link.inet6_addr_gen_mode,
    ipv4: addresses(link.ifindex, "inet"),
    ipv6: addresses(link.ifindex, "inet6"),
  }));
}

/** Returns a pair for the namespace at `netns`. */
export function pairFor(netns: string, netnsInode: number): PairSpec {
  const id = randomHex(11);
  return {
    hostEnd: `cv${id}`,
    alias: `k8contivnet:${id} default/myPod1 tenant-one/orange`,
    netns,
    netnsInode,
    interface: "eth0",
    mac: "02:02:0b:01:00:02",
    mtu: 1400,
    addresses: ["11.1.0.2/24"],
    gateway: "11.1.0.1",
    checksumOffload: false,
  };
}
