// Keeps both fabrics as the records say. What cannot be had (an uplink that is refused, a tunnel
// address that is not there) never stands in the way of pods on this host: it is said once.

import { type HostRecord, keys } from "../../intent/records.ts";
import type { Fabric } from "../../ovs/fabric.ts";
import { VtepFault } from "../../ovs/tunnel/vtep.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { isBlank } from "../store/documents.ts";
import type { World } from "../world.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { type DesiredFabric, type FabricOptions, planFabric } from "./plan_fabric.ts";

/** What the operator says of this host's way to others. */
export interface FabricFlags extends FabricOptions {
  /** Take an uplink that carries the default route. */
  readonly isForced: boolean;
}

// A host without uplink and overlay has no flows of theirs.
const NOTHING = JSON.stringify({ uplink: undefined, overlay: undefined });

/** Makes the fabrics as wished. */
export class FabricSync {
  readonly #fabric: Fabric;
  readonly #flags: FabricFlags;
  readonly #said = new Map<string, string>();
  readonly #turns = new KeyedQueue();
  #made = "";
  /** How many flows there were when all had been made. */
  #counts = "";

  constructor(fabric: Fabric, flags: FabricFlags) {
    this.#fabric = fabric;
    this.#flags = flags;
  }

  /** Returns the device to the VLAN fabric; undefined where there is none. */
  uplinkOf({ store: { documents }, host }: World): string | undefined {
    const record = documents.get(keys.host(host))?.value as HostRecord | undefined;
    return this.#flags.uplink ?? record?.intf;
  }

  /** Makes both fabrics as the records say now; with `isFresh` also when they said so before. */
  ensure(world: World, { isFresh = false } = {}): Promise<void> {
    // One after another: what an earlier call is still making is not there yet, or not gone yet.
    return this.#turns.run("fabric", () => this.#ensure(world, isFresh));
  }

  /** Reports whether flows have come or gone since all was made; told once. */
  isDisturbed(): Promise<boolean> {
    return this.#turns.run("fabric", async () => {
      if (this.#counts === "") return false;
      const counts = await this.#fabric.flowCounts();
      const isDisturbed = counts !== this.#counts;
      this.#counts = counts;
      return isDisturbed;
    });
  }

  async #ensure(world: World, isFresh: boolean): Promise<void> {
    const documents = world.store.documents;
    const wish = planFabric(
      documents,
      this.#flags,
      (network) => world.tags.tagOf(documents, network),
    );
    // A store that was lost says nothing of who lives elsewhere: what there is stays.
    if (isBlank(documents)) return;
    const words = JSON.stringify(wish);
    if (words === this.#made && !isFresh) return;
    const done = [
      await this.#try(world, "uplink", () => this.#ensureUplink(world, wish)),
      await this.#try(world, "overlay", () => this.#ensureOverlay(wish)),
    ];
    this.#made = done.every(Boolean) ? words : "";
    this.#counts = this.#made === "" || this.#made === NOTHING
      ? ""
      : await this.#fabric.flowCounts().catch(() => "");
  }

  async #ensureUplink(world: World, { uplink }: DesiredFabric): Promise<Fault | undefined> {
    if (uplink && !this.#flags.isForced) {
      const taken = await world.links.defaultRouteLinks();
      if (taken.includes(uplink.device)) return carriesDefaultRoute(uplink.device);
    }
    await this.#fabric.setUplink(uplink);
    return undefined;
  }

  /** Returns what is wrong with an overlay that is in place. */
  async #ensureOverlay({ overlay }: DesiredFabric): Promise<Fault | undefined> {
    const { unreachable, own } = await this.#fabric.setOverlay(overlay);
    if (!overlay || overlay.networks.length === 0) return undefined;
    const problem = await this.#fabric.checkVtep(overlay.localIp);
    if (problem) return problem;
    if (own.length > 0) return sameAddress(overlay.localIp);
    return unreachable.length > 0 ? silent(unreachable) : undefined;
  }

  /** Reports whether all was done that can be; says what is wrong once, and again when it changes. */
  async #try(
    world: World,
    what: string,
    work: () => Promise<Fault | undefined>,
  ): Promise<boolean> {
    try {
      this.#say(world, what, await work());
      return true;
    } catch (error) {
      const fault = faultFrom(error);
      this.#say(world, what, fault);
      // Somebody has to do something about these; a set-up need not try them again each time.
      return ["conflict", "usage", "not_found"].includes(fault.code);
    }
  }

  #say({ log }: World, what: string, fault: Fault | undefined): void {
    const words = fault?.message ?? "";
    const said = this.#said.get(what) ?? "";
    this.#said.set(what, words);
    if (words === said) return;
    if (!fault) return log.info(`${what} works again`);
    log.error(`${what}: ${words}`);
    if (fault instanceof VtepFault) {
      for (const command of fault.commands) log.info(`to mend it, as root: ${command}`);
    }
  }
}

function carriesDefaultRoute(device: string): Fault {
  return new Fault("conflict", `uplink ${device} refused`, {
    why: "it carries the default route",
    fix: "give another --uplink or add --uplink-force",
  });
}

function sameAddress(vtep: string): Fault {
  return new Fault("conflict", `tunnel address ${vtep} is also another host's`, {
    why: "its pods cannot be reached from here",
    fix: "give each host a VtepIp of its own",
  });
}

function silent(vteps: readonly string[]): Fault {
  return new Fault(
    "unavailable",
    `tunnel address ${vteps.slice(0, 3).join(", ")} does not answer`,
    {
      why: `${vteps.length} of the other hosts cannot be reached`,
      fix: "see whether they are up, and the way to them",
    },
  );
}

/** Follows rings of the fabrics' bell until `signal` aborts. */
export async function syncFabric(world: World, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await world.fabricSignal.wait({ withinMs: 60_000, signal });
    if (signal.aborted) return;
    await world.fabric.ensure(world);
    world.memoryTrim.note();
  }
}
