// The pools of warm ports, one per network with pods here: which are free, filled when nobody waits for a port.
//
// Rows are the truth: a parked port is one whose row names no attachment. What is kept here is which of them are free,
// and it is read anew from rows and links by each reconciliation.

import type { Links } from "../../net/links.ts";
import type { WarmLinks } from "../../net/warm_links.ts";
import type { Switch } from "../../ovs/switch.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { pause } from "../../util/async/pause.ts";
import type { Clock } from "../../util/clock.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { keys, type NetworkRecord } from "../../intent/records.ts";
import { attachmentsOf, type HostView } from "../store/documents.ts";
import { BurstSizes } from "./burst_sizes.ts";
import { FreePorts } from "./free_ports.ts";
import type { LocalTags } from "./local_tags.ts";
import type { Mtus } from "./mtus.ts";
import {
  ALIAS_PREFIX,
  hostEndOf,
  isWarmPort,
  parkedPort,
  warmPortName,
} from "./port_external_ids.ts";
import {
  type FreePort,
  isLow,
  planPools,
  type PoolNetwork,
  type PoolPlan,
  type SeenPorts,
  sizeOf,
} from "./plan_pools.ts";
import type { Actual } from "./steps.ts";
import type { WarmPorts } from "./warm_ports.ts";

/** What the pools work with. */
export interface WarmPoolDeps extends HostView {
  readonly switch: Pick<Switch, "ports" | "expectPort" | "addParkedPorts" | "removePorts">;
  readonly links: Pick<Links, "hostEnds" | "removeLinks">;
  /** Undefined where the link driver has none. */
  readonly warmLinks: WarmLinks | undefined;
  readonly warmPorts: Pick<WarmPorts, "clearing" | "onFree">;
  readonly networks: PoolNetworks;
  readonly newId: () => string;
  readonly clock: Pick<Clock, "now">;
  readonly log: Pick<Log, "info" | "warn">;
  /** False: no pod gets a warm port, and those without a pod are removed. */
  readonly isEnabled: boolean;
}

/** What the ports of a network are created with. */
export interface PoolNetworks {
  readonly tags: Pick<LocalTags, "tagOf">;
  readonly mtus: Pick<Mtus, "of">;
  /** Datapath of the bridge, `system` or `netdev`. */
  readonly datapath: () => string;
}

/** The warm ports that a set-up may use; disposing returns those that it did not. */
export interface Reservation extends Disposable {
  /** Returns a port for a pod's interface in `network`, the same one each time; undefined if none is free. */
  portFor(network: NetworkRecord, interfaceName: string): string | undefined;
  /** Keeps these: they have a record now. */
  keep(names: readonly (string | undefined)[]): void;
}

/** How long nobody has come before a pool is filled; and how long it waits at most, while pods keep coming. */
const [QUIET_MS, MOST_MS] = [1_500, 5_000];
/** A network whose last pod has gone keeps its pool that long. */
const KEPT_MS = 600_000;

/** The pools of this host. */
export class WarmPool {
  /** Notified when a pool may be low. */
  readonly signal = new Notifier();
  readonly #deps: WarmPoolDeps;
  readonly #free = new FreePorts();
  /** Ports that a set-up or a filling is working on. */
  readonly #reserved = new Set<string>();
  readonly #lastUsed = new Map<string, number>();
  readonly #bursts = new BurstSizes();
  readonly #turns = new KeyedQueue();
  /** Undefined until it is known. */
  #isSupported: boolean | undefined;
  #lastTakenMs = -Infinity;

  constructor(deps: WarmPoolDeps) {
    this.#deps = deps;
    deps.warmPorts.onFree = (port) => {
      if (deps.isEnabled && !this.#recordedNow().includes(port.name)) {
        this.#free.add(port);
      }
      this.signal.notify();
    };
  }

  /** Reserves ports for one set-up, which is about to use them. */
  reserve(): Reservation {
    if (!this.#free.isEmpty) this.#deps.switch.expectPort();
    const taken = new Map<string, FreePort>();
    return {
      portFor: (network, name) => {
        const key = `${keys.network(network.tenant, network.name)} ${name}`;
        const port = taken.get(key) ?? this.#take(network);
        if (port) taken.set(key, port);
        return port?.name;
      },
      keep: (names) => {
        for (const { name } of taken.values()) {
          if (names.includes(name)) this.#reserved.delete(name);
        }
      },
      [Symbol.dispose]: () => {
        for (const port of taken.values()) {
          if (this.#reserved.delete(port.name)) this.#free.add(port);
        }
      },
    };
  }

  /**
   * Makes the pools follow rows, links and records: removes parked ports that no pod can use. `actual` says whether
   * there can be any. Faults: those of the drivers.
   */
  async follow({ rows, hostEnds }: Actual): Promise<void> {
    const hasAny = [...rows.map(({ name }) => name), ...hostEnds].some(isWarmPort);
    if (!hasAny && !this.#deps.isEnabled) return;
    const added = await this.#turns.run("", () => this.#follow());
    if (added.size > 0) this.signal.notify();
  }

  async #follow(): Promise<PoolPlan["added"]> {
    const { seen, networks } = await this.#observe();
    const plan = planPools(networks, seen, (name) => this.#isBusy(name));
    this.#free.replaceAll(plan.free);
    await this.#remove(plan.retired);
    return plan.added;
  }

  /** Fills the pools that are low, all in one transaction. Faults: those of the drivers. */
  async fill(): Promise<void> {
    await this.#turns.run("", () => this.#fill());
  }

  async #fill(): Promise<void> {
    const { warmLinks, log } = this.#deps;
    const added = await this.#follow();
    if (added.size === 0) return; // no holding namespace where none is needed
    this.#isSupported ??= await warmLinks?.isSupported() ?? false;
    if (!this.#isSupported) {
      if (warmLinks) log.info("warm ports are off: this kernel has no macvlan");
      return;
    }
    const ports = [...added].flatMap(([network, count]) =>
      Array.from({ length: count }, () => this.#newPort(network))
    );
    if (ports.length > 0) await this.#add(ports);
  }

  /** Fills the pools when they run low and nobody comes, until `signal` aborts. */
  async keep(signal: AbortSignal): Promise<void> {
    if (!this.#deps.isEnabled || !this.#deps.warmLinks) return;
    let problem = "";
    while (!signal.aborted && this.#isSupported !== false) {
      await this.signal.wait({ signal });
      await this.#untilQuiet(signal);
      if (signal.aborted) return;
      if (!this.#isAnyLow()) continue; // to look at all ports and links costs more than a set-up
      try {
        await this.fill();
        problem = "";
      } catch (error) {
        const { message } = faultFrom(error);
        // A lasting problem is logged once; pods get ports of their own meanwhile.
        if (message !== problem) this.#deps.log.warn(`warm ports not added: ${message}`);
        problem = message;
      }
    }
  }

  #isAnyLow(): boolean {
    const networks = this.#networks();
    return networks.some((one) => isLow(this.#free.count(one), sizeOf(one, networks.length)));
  }

  async #untilQuiet(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps;
    const endMs = clock.now() + MOST_MS;
    while (!signal.aborted) {
      const now = clock.now();
      const leftMs = Math.min(this.#lastTakenMs + QUIET_MS, endMs) - now;
      if (leftMs <= 0) return;
      await pause(leftMs, signal);
    }
  }

  #take(network: NetworkRecord): FreePort | undefined {
    if (!this.#deps.isEnabled) return undefined;
    this.#lastTakenMs = this.#deps.clock.now();
    const key = keys.network(network.tenant, network.name);
    this.#lastUsed.set(key, this.#lastTakenMs);
    this.#bursts.note(key, this.#lastTakenMs);
    this.signal.notify();
    const wanted = this.#poolNetwork(network, 0);
    const port = wanted && this.#free.take(wanted);
    if (port) this.#reserved.add(port.name);
    return port;
  }

  #isBusy(name: string): boolean {
    return this.#reserved.has(name) || this.#deps.warmPorts.clearing.has(name) ||
      this.#recorded.has(name);
  }

  /** Ports that a record names, as of the last observation. */
  #recorded: ReadonlySet<string> = new Set();

  async #observe(): Promise<{ readonly seen: SeenPorts; readonly networks: PoolNetwork[] }> {
    const { switch: ovs, links, warmLinks } = this.#deps;
    // A set-up that ends meanwhile has a record, one that begins has a reservation.
    const before = this.#recordedNow();
    const [rows, outerEnds] = await Promise.all([ovs.ports(), links.hostEnds()]);
    const hasAny = [...rows, ...outerEnds].some(({ name }) => isWarmPort(name));
    const innerEnds = warmLinks && hasAny ? await warmLinks.innerEnds() : [];
    this.#recorded = new Set([...before, ...this.#recordedNow()]);
    return { seen: { rows, outerEnds, innerEnds }, networks: this.#networks() };
  }

  #recordedNow(): string[] {
    const { host, store } = this.#deps;
    return attachmentsOf(store.documents, host).map(hostEndOf).filter(isWarmPort);
  }

  /**
   * Returns the networks of this host's pods, and those that had one lately. Of CNI's pods only those count that have a
   * warm port: the others' configuration does not ask for one.
   */
  #networks(): PoolNetwork[] {
    const { host, store: { documents }, isEnabled, warmLinks, clock } = this.#deps;
    if (!isEnabled || !warmLinks) return [];
    const mine = attachmentsOf(documents, host)
      .filter(({ cni, port }) => cni === undefined || port !== undefined);
    const byKey = Map.groupBy(mine, ({ tenant, network }) => keys.network(tenant, network));
    for (const key of byKey.keys()) this.#lastUsed.set(key, clock.now());
    return [...this.#lastUsed].flatMap(([key, usedMs]) => {
      const record = documents.get(key)?.value as NetworkRecord | undefined;
      const pods = byKey.get(key)?.length ?? 0;
      const network = record && this.#poolNetwork(record, pods);
      if (network && (pods > 0 || clock.now() - usedMs < KEPT_MS)) return [network];
      this.#lastUsed.delete(key);
      return [];
    });
  }

  #poolNetwork(record: NetworkRecord, pods: number): PoolNetwork | undefined {
    const { networks: { tags, mtus }, store: { documents } } = this.#deps;
    const tag = tags.tagOf(documents, record);
    if (tag === undefined) return undefined;
    const { tenant, name } = record;
    const burst = this.#bursts.of(keys.network(tenant, name), this.#deps.clock.now());
    return { tenant, network: name, tag, mtu: mtus.of(record), pods, burst };
  }

  #newPort({ tenant, network, tag, mtu }: PoolNetwork): FreePort {
    return { name: warmPortName(this.#deps.newId()), tenant, network, tag, mtu };
  }

  async #add(ports: readonly FreePort[]): Promise<void> {
    const { switch: ovs, links, warmLinks, networks, log } = this.#deps;
    const names = ports.map(({ name }) => name);
    names.forEach((name) => this.#reserved.add(name));
    try {
      for (const [alias, some] of Map.groupBy(ports, aliasOf)) {
        const checksumOffload = networks.datapath() === "system";
        const spec = { alias, mtu: some[0]!.mtu, checksumOffload };
        await warmLinks!.createPairs(some.map(({ name }) => name), spec);
      }
      await ovs.addParkedPorts(ports.map(parkedPort));
      for (const port of ports) this.#free.add(port);
      log.info("warm ports added", { ports: ports.length });
    } catch (error) {
      await links.removeLinks(names).catch(() => {});
      throw error;
    } finally {
      names.forEach((name) => this.#reserved.delete(name));
    }
  }

  /** What cannot be removed is tried again by the next reconciliation, and nobody gets it. */
  async #remove(names: readonly string[]): Promise<void> {
    if (names.length === 0) return;
    const { switch: ovs, links, log } = this.#deps;
    try {
      await ovs.removePorts(names);
      await links.removeLinks(names);
      log.info("warm ports removed", { ports: names.length });
    } catch (error) {
      log.warn(`warm ports not removed: ${faultFrom(error).message}`, { ports: names.length });
    }
  }
}

function aliasOf({ tenant, network, mtu }: FreePort): string {
  return `${ALIAS_PREFIX}warm ${tenant}/${network} ${mtu}`;
}
