// MAC addresses of the VTEPs, resolved before the first frame. On the userspace datapath Open vSwitch
// resolves them only when a frame needs one, and drops that frame; the kernel's datapath queues frames
// meanwhile, and needs none of this.
//
// The kernel is made to send the ARP request (it knows routes and keeps its table fresh), and its answer is
// passed to ovs-vswitchd, which reads answers only while its own entry is missing. A VTEP that does not
// answer is waited for once, when it is new; later it is probed again without waiting.

import type { HostNet, Neighbour } from "../host_net.ts";
import { type Control, openControl } from "../tools/appctl.ts";

/** ovs-vswitchd drops an entry 15 minutes after its last use; this is well before. */
const RENEW_MS = 5 * 60_000;
/** A peer in the same data centre answers within 1 ms; any reachable one, within this. */
const ANSWER_MS = 1_000;
const POLL_EVERY_MS = 10;

/** Next hop from this host to a VTEP. */
export interface Hop {
  readonly vtep: string;
  /** The VTEP itself, or the gateway to it. */
  readonly address: string;
  /** Underlay bridge. */
  readonly device: string;
}

interface Entry {
  readonly mac: string;
  readonly atMs: number;
}

/** The VTEP neighbours of one Open vSwitch. */
export class VtepNeighbours {
  readonly #rundir: string;
  readonly #host: HostNet;
  readonly #hops = new NextHops();
  readonly #published = new Map<string, Entry>();
  #probed: ReadonlySet<string> = new Set();

  constructor(rundir: string, host: HostNet) {
    this.#rundir = rundir;
    this.#host = host;
  }

  /** Resolves these VTEPs; returns those that do not answer. Repeatable. Faults: those of tools. */
  async resolve(vteps: readonly string[], endMs: number): Promise<string[]> {
    if (vteps.length === 0) return [];
    using control = await openControl(this.#rundir);
    const hops = await this.#hops.to(vteps, (...question) => control.ask(...question, endMs));
    const isNew = (hop: Hop) => !this.#probed.has(hop.address);
    await this.#host.probe(distinct(hops), endMs);
    const known = await this.#waitForAnswers(hops.filter(isNew), endMs);
    await this.#publish(hops, { known, control, endMs });
    this.#probed = new Set(hops.map(({ address }) => address));
    const reached = new Set(hops.filter((hop) => known.has(keyOf(hop))).map(({ vtep }) => vtep));
    return vteps.filter((vtep) => !reached.has(vtep));
  }

  /** Waits until all of `hops` have answered, at most ANSWER_MS; returns MACs of all known neighbours. */
  async #waitForAnswers(hops: readonly Hop[], endMs: number): Promise<Map<string, string>> {
    const waitUntilMs = Math.min(endMs, performance.now() + ANSWER_MS);
    while (true) {
      const known = macsOf(await this.#host.neighbours(endMs));
      const isDone = hops.every((hop) => known.has(keyOf(hop)));
      if (isDone || performance.now() >= waitUntilMs) return known;
      await new Promise((done) => setTimeout(done, POLL_EVERY_MS));
    }
  }

  async #publish(
    hops: readonly Hop[],
    { known, control, endMs }: {
      readonly known: ReadonlyMap<string, string>;
      readonly control: Control;
      readonly endMs: number;
    },
  ): Promise<void> {
    const cached = cacheOf(await control.ask("tnl/neigh/show", [], endMs));
    const nowMs = performance.now();
    const stale = distinct(hops).filter((hop) => {
      const [mac, given] = [known.get(keyOf(hop)), this.#published.get(keyOf(hop))];
      if (mac === undefined) return false;
      const isFresh = given?.mac === mac && nowMs - given.atMs < RENEW_MS;
      return !isFresh || cached.get(keyOf(hop)) !== mac;
    });
    await Promise.all(stale.map(async (hop) => {
      const mac = known.get(keyOf(hop))!;
      await control.ask("tnl/neigh/set", [hop.device, hop.address, mac], endMs);
      this.#published.set(keyOf(hop), { mac, atMs: nowMs });
    }));
    // Frames that came before are cached as dropped until the next round of the revalidators.
    if (stale.length > 0) await control.ask("revalidator/wait", [], endMs);
  }
}

/** A question to ovs-vswitchd, as `ovs-appctl` asks it. */
type Ask = (command: string, args: readonly string[]) => Promise<string>;

/** Next hops, each looked up once while ovs-vswitchd has the same routes: a large network has VTEPs by the thousand. */
export class NextHops {
  readonly #known = new Map<string, Hop>();
  #routes = "";

  /** Returns the next hop to each VTEP as ovs-vswitchd itself will use it; one without a route is left out. */
  async to(vteps: readonly string[], ask: Ask): Promise<Hop[]> {
    // It prints them in any order.
    const routes = (await ask("ovs/route/show", [])).split("\n").sort().join("\n");
    if (routes !== this.#routes) this.#known.clear();
    this.#routes = routes;
    const wanted = new Set(vteps);
    for (const vtep of this.#known.keys()) if (!wanted.has(vtep)) this.#known.delete(vtep);
    await Promise.all(
      vteps.filter((vtep) => !this.#known.has(vtep)).map(async (vtep) => {
        const hop = hopOf(vtep, await ask("ovs/route/lookup", [vtep]).catch(() => ""));
        if (hop) this.#known.set(vtep, hop);
      }),
    );
    return vteps.flatMap((vtep) => this.#known.get(vtep) ?? []);
  }
}

/** Returns the hop in an answer of `ovs/route/lookup`; undefined where there is none. Pure. */
export function hopOf(vtep: string, route: string): Hop | undefined {
  const device = /^dev (\S+)/m.exec(route)?.[1];
  const gateway = /^gateway (\S+)/m.exec(route)?.[1];
  if (device === undefined) return undefined;
  const isDirect = gateway === undefined || gateway === "::" || gateway === "0.0.0.0";
  return { vtep, device, address: isDirect ? vtep : gateway.replace(/^::ffff:/, "") };
}

/** Returns the MACs that `tnl/neigh/show` prints, by bridge and address. Pure. */
export function cacheOf(text: string): Map<string, string> {
  const rows = text.split("\n").map((line) => /^(\S+)\s+([0-9a-f:]{17})\s+(\S+)/.exec(line));
  return new Map(
    rows.flatMap((row) =>
      row ? [[keyOf({ address: row[1]!, device: row[3]! }), row[2]!] as const] : []
    ),
  );
}

function macsOf(neighbours: readonly Neighbour[]): Map<string, string> {
  return new Map(
    neighbours.flatMap((one) => one.mac === undefined ? [] : [[keyOf(one), one.mac] as const]),
  );
}

function distinct(hops: readonly Hop[]): Hop[] {
  return [...new Map(hops.map((hop) => [keyOf(hop), hop])).values()];
}

function keyOf({ address, device }: Pick<Hop, "address" | "device">): string {
  return `${device} ${address}`;
}
