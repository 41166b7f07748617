// The host's own links, addresses and neighbours, as far as uplink and tunnel depend on them. Reads by
// `ip -j`; it changes three things: it brings a link up, probes a neighbour, and sets arp_ignore.

import { Fault } from "../util/errors.ts";
import { run, type RunOptions } from "../util/run.ts";

/** A link of the host. */
export interface HostLink {
  readonly name: string;
  readonly isUp: boolean;
  readonly mtu: number;
  /** Bridge or bond that it is a port of. */
  readonly master: string | undefined;
}

/** An address on a link of the host. */
export interface HostAddress {
  readonly link: HostLink;
  readonly prefix: number;
}

/** One entry of the kernel's neighbour table. */
export interface Neighbour {
  readonly address: string;
  readonly device: string;
  /** Absent until it has answered. */
  readonly mac: string | undefined;
}

interface IpLink {
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly master?: string;
  readonly "addr_info"?: readonly { readonly local?: string; readonly prefixlen?: number }[];
}

interface IpNeighbour {
  readonly dst: string;
  readonly dev?: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** A route of the host that leads through a gateway. */
export interface HostRoute {
  readonly to: string;
  readonly gateway: string;
}

const COMMAND_LIMIT_MS = 2_000;

/** The network namespace in which ovs-vswitchd runs. */
export class HostNet {
  readonly #netns: string | undefined;

  /** `netns` is the path of a namespace; the agent's own when undefined. */
  constructor(netns: string | undefined) {
    this.#netns = netns;
  }

  /** Returns the link of that name, undefined without one. */
  async link(name: string, endMs: number): Promise<HostLink | undefined> {
    const links = await this.#list<IpLink>(["link", "show"], endMs);
    return links.filter(({ ifname }) => ifname === name).map(linkOf)[0];
  }

  /** Returns the link and prefix of `address`, undefined where no link has it. */
  async address(address: string, endMs: number): Promise<HostAddress | undefined> {
    const links = await this.#list<IpLink>(["-4", "address", "show"], endMs);
    return links.flatMap((link) => {
      const found = link.addr_info?.find(({ local }) => local === address);
      return found ? [{ link: linkOf(link), prefix: found.prefixlen ?? 32 }] : [];
    })[0];
  }

  /** Returns the routes by a gateway that use `device`. */
  async gateways(device: string, endMs: number): Promise<HostRoute[]> {
    const args = ["-4", "route", "show", "dev", device];
    const routes = await this.#list<{ readonly dst: string; readonly gateway?: string }>(
      args,
      endMs,
    );
    return routes.flatMap(({ dst, gateway }) => gateway ? [{ to: dst, gateway }] : []);
  }

  /** Returns the kernel's neighbour table. */
  async neighbours(endMs: number): Promise<Neighbour[]> {
    const rows = await this.#list<IpNeighbour>(["-4", "neighbour", "show"], endMs);
    return rows.map(({ dst, dev, lladdr, state }) => ({
      address: dst,
      device: dev ?? "",
      mac: state?.includes("FAILED") ? undefined : lladdr,
    }));
  }

  /** Makes the kernel send ARP requests for these neighbours, without waiting for their answers. */
  async probe(hops: readonly { address: string; device: string }[], endMs: number): Promise<void> {
    if (hops.length === 0) return;
    // "use" starts the same resolution that a packet would start, and keeps an answer that is there.
    const lines = hops.map(({ address, device }) =>
      `neighbour replace ${address} dev ${device} use\n`
    );
    try {
      await this.#ip(["-force", "-batch", "-"], endMs, lines.join(""));
    } catch (error) {
      // One line of many was rejected, as for a removed device; the others are done.
      if (!(error instanceof Fault) || error.code !== "failed") throw error;
    }
  }

  /** Returns those of `names` that answer ARP for any address of this host: arp_ignore is 0 for them. */
  async answeringForOthers(names: readonly string[], endMs: number): Promise<string[]> {
    if (names.length === 0) return [];
    const keys = ["all", ...names].map((name) => `net/ipv4/conf/${name}/arp_ignore`);
    // sysctl reads in the namespace; Deno allows /proc only with -A.
    const values = (await this.#inside("sysctl", ["-n", ...keys], endMs)).split("\n").map(Number);
    return names.filter((_, at) => Math.max(values[0] ?? 0, values[at + 1] ?? 0) === 0);
  }

  /** Makes links answer ARP for their own addresses only, until the next boot. */
  async setArpIgnore(names: readonly string[], endMs: number): Promise<void> {
    const settings = names.map((name) => `net/ipv4/conf/${name}/arp_ignore=1`);
    await this.#inside("sysctl", ["-qw", ...settings], endMs);
  }

  /** Brings a link up. */
  async bringUp(name: string, endMs: number): Promise<void> {
    await this.#ip(["link", "set", "dev", name, "up"], endMs);
  }

  async #list<T>(args: readonly string[], endMs: number): Promise<T[]> {
    const text = await this.#ip(["-j", ...args], endMs);
    return text === "" ? [] : JSON.parse(text) as T[]; // without rows ip prints nothing, or []
  }

  #ip(args: readonly string[], endMs: number, stdin?: string): Promise<string> {
    if (this.#netns !== undefined) return this.#inside("ip", args, endMs, stdin);
    return run("ip", args, limitsOf(endMs, stdin));
  }

  #inside(cmd: string, args: readonly string[], endMs: number, stdin?: string): Promise<string> {
    const entry = this.#netns === undefined ? [] : [`--net=${this.#netns}`];
    return run("nsenter", [...entry, "--", cmd, ...args], limitsOf(endMs, stdin));
  }
}

function limitsOf(endMs: number, stdin: string | undefined): RunOptions {
  const leftMs = Math.max(1, endMs - performance.now());
  return { limitMs: Math.min(COMMAND_LIMIT_MS, leftMs), ...(stdin !== undefined && { stdin }) };
}

function linkOf({ ifname, flags, mtu, master }: IpLink): HostLink {
  return { name: ifname, isUp: flags.includes("UP"), mtu, master };
}
