// Keeps uplink and tunnels as the records say. What cannot be had (an uplink that is refused, a tunnel
// address that does not exist) never stops pods on this host from being attached: it is logged once.

import { type HostRecord, keys } from "../../intent/records.ts";
import type { Links } from "../../net/links.ts";
import type { Fabric } from "../../ovs/fabric.ts";
import { VtepFault } from "../../ovs/tunnel/vtep.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import { type Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { FabricProblem } from "../api/agent_health.ts";
import type { LocalTags } from "../pods/local_tags.ts";
import { type HostView, isBlank } from "../store/documents.ts";
import {
  carriesDefaultRoute,
  isWarning,
  problemOf,
  sameAddress,
  UnlistedHost,
  UnreachableVteps,
} from "./fabric_problems.ts";
import { type DesiredFabric, type FabricOptions, planFabric } from "./plan_fabric.ts";

/** What the operator's flags say of this host's way to others. */
export interface FabricFlags extends FabricOptions {
  /** Take an uplink that carries the default route. */
  readonly isForced: boolean;
  /** Set arp_ignore on NICs that answer ARP for the tunnel address. */
  readonly setsArpIgnore: boolean;
}

/** What the fabric is kept with. */
export interface FabricDeps extends HostView {
  readonly driver: Fabric;
  readonly flags: FabricFlags;
  readonly links: Pick<Links, "defaultRouteLinks">;
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly log: Log;
}

const PERIOD_MS = 60_000;
const RETRY_MS = 2_000;
const BROKEN_MS = 5_000;

type Part = FabricProblem["part"];

/** Makes uplink and tunnels as desired, one change after the other. */
export class FabricSync {
  readonly #deps: FabricDeps;
  readonly #problems = new Map<Part, Fault>();
  readonly #queue = new KeyedQueue();
  /** What was installed last, as JSON; empty where not all of it was. */
  #installed = "";
  /** How many flows there were then. */
  #counts = "";
  #checks = 0;

  constructor(deps: FabricDeps) {
    this.#deps = deps;
  }

  /** Returns the device to the VLAN fabric; undefined where there is none. */
  get uplink(): string | undefined {
    const { store: { documents }, host, flags } = this.#deps;
    const record = documents.get(keys.host(host))?.value as HostRecord | undefined;
    return flags.uplink ?? record?.intf;
  }

  /** What keeps pods from other hosts, as far as it is known; undefined if nothing does. */
  get problem(): string | undefined {
    return [...this.#problems.values()].find((fault) => !isWarning(fault))?.message;
  }

  /** What is wrong with each part, warnings included. */
  get problems(): readonly FabricProblem[] {
    return [...this.#problems].map(([part, fault]) => problemOf(part, fault));
  }

  /** How often uplink and tunnels were compared with what the switch has, and made as desired. */
  get checks(): number {
    return this.#checks;
  }

  /** Makes uplink and tunnels as the records say now; with `isFresh`, even if they said so before. */
  ensure({ isFresh = false } = {}): Promise<void> {
    // One after another: what an earlier call is still making is not there yet, or not gone yet.
    return this.#queue.run("fabric", () => this.#ensure(isFresh));
  }

  /** Reports whether the number of flows has changed since they were installed; reported once. */
  hasDrifted(): Promise<boolean> {
    return this.#queue.run("fabric", async () => {
      if (this.#counts === "") return false;
      const counts = await this.#deps.driver.flowCounts();
      const hasDrifted = counts !== this.#counts;
      this.#counts = counts;
      return hasDrifted;
    });
  }

  async #ensure(isFresh: boolean): Promise<void> {
    const { store: { documents }, flags, tags, driver } = this.#deps;
    const desired = planFabric(documents, flags, (network) => tags.tagOf(documents, network));
    // A lost store says nothing of pods elsewhere: what is installed stays.
    if (isBlank(documents)) return;
    const json = JSON.stringify(desired);
    if (json === this.#installed && !isFresh) return;
    const done = [
      await this.#try("uplink", () => this.#ensureUplink(desired)),
      await this.#try("overlay", () => this.#ensureTunnels(desired)),
    ];
    this.#installed = done.every(Boolean) ? json : "";
    if (this.#installed !== "") this.#checks++;
    // A host without uplink and overlay has no flows of theirs.
    const hasFlows = this.#installed !== "" && (desired.uplink ?? desired.overlay) !== undefined;
    this.#counts = !hasFlows ? "" : await driver.flowCounts().catch(() => "");
  }

  async #ensureUplink({ uplink }: DesiredFabric): Promise<Fault | undefined> {
    const { flags, links, driver } = this.#deps;
    if (uplink && !flags.isForced) {
      const taken = await links.defaultRouteLinks();
      if (taken.includes(uplink.device)) return carriesDefaultRoute(uplink.device);
    }
    await driver.setUplink(uplink);
    return undefined;
  }

  /** Returns what is wrong with tunnels that are in place. */
  async #ensureTunnels({ overlay, isUnlisted }: DesiredFabric): Promise<Fault | undefined> {
    const { driver, host } = this.#deps;
    const { unreachable, own } = await driver.setTunnel(overlay);
    const unlisted = isUnlisted ? new UnlistedHost(host) : undefined;
    if (!overlay || overlay.networks.length === 0) return unlisted;
    const problem = await this.#checkVtep(overlay.localIp);
    if (problem && !problem.isWarning) return problem;
    if (own.length > 0) return sameAddress(overlay.localIp);
    return unreachable.length > 0 ? new UnreachableVteps(unreachable) : unlisted ?? problem;
  }

  /** Returns what is wrong with the tunnel address; sets arp_ignore where the operator allows it. */
  async #checkVtep(address: string): Promise<VtepFault | undefined> {
    const { driver, flags, log } = this.#deps;
    const problem = await driver.checkVtep(address);
    if (!problem?.isWarning || !flags.setsArpIgnore) return problem;
    const nics = problem.answeringNics;
    try {
      await driver.setArpIgnore(nics);
      this.#report("arp_ignore", undefined);
    } catch (error) {
      this.#report("arp_ignore", faultFrom(error));
      return problem;
    }
    log.info("arp_ignore set to 1, as the NIC answered ARP for the tunnel address", {
      link: nics.join(","),
      address,
    });
    return await driver.checkVtep(address);
  }

  /** Reports whether all was done that can be; logs a problem once, and again when it changes. */
  async #try(part: Part, work: () => Promise<Fault | undefined>): Promise<boolean> {
    try {
      this.#report(part, await work());
      return true;
    } catch (error) {
      const fault = faultFrom(error);
      this.#report(part, fault);
      // These need an operator; a set-up need not repeat the try each time.
      return ["conflict", "usage", "not_found"].includes(fault.code);
    }
  }

  #report(part: Part, fault: Fault | undefined): void {
    const { log } = this.#deps;
    const before = this.#problems.get(part);
    if (fault) this.#problems.set(part, fault);
    else this.#problems.delete(part);
    if (fault?.message === before?.message) return;
    if (!fault) return log.info(`${part} works again`);
    log[isWarning(fault) ? "warn" : "error"](`${part}: ${fault.message}`);
    if (fault instanceof VtepFault) {
      if (fault.effect !== "") log.info(fault.effect);
      for (const command of fault.commands) log.info(`to fix it, as root: ${command}`);
    }
  }
}

/** What the loop works with. */
export interface SyncFabricDeps {
  readonly fabric: Pick<FabricSync, "ensure">;
  /** Whether pods reach no other host until an operator mends something, who may be about to. */
  readonly isBroken: () => boolean;
  /** Whether something is to be tried again soon. */
  readonly isUnfinished: () => boolean;
  readonly fabricSignal: Notifier;
  readonly memoryTrim: Pick<Debounce, "note">;
}

/** Makes uplink and tunnels as desired after each notification, until `signal` aborts. */
export async function syncFabric(
  { fabric, isBroken, isUnfinished, fabricSignal, memoryTrim }: SyncFabricDeps,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const isFresh = isBroken();
    const withinMs = isUnfinished() ? RETRY_MS : isFresh ? BROKEN_MS : PERIOD_MS;
    await fabricSignal.wait({ withinMs, signal });
    if (signal.aborted) return;
    await fabric.ensure({ isFresh });
    memoryTrim.note();
  }
}
