// Warm ports in use: given to a pod, taken from it, kept as desired. Which one a pod gets is decided by the pool.

import type { AttachmentRecord } from "../../intent/records.ts";
import type { PairSpec } from "../../net/links.ts";
import { InnerEndUnusable } from "../../net/sandbox_checks.ts";
import type { WarmLinks } from "../../net/warm_links.ts";
import type { PortRow, Switch } from "../../ovs/switch.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import type { LinkRemovals } from "./link_removals.ts";
import { attachmentFromPort, attachmentToPort, parkedPort } from "./port_external_ids.ts";
import type { FreePort } from "./plan_pools.ts";
import type { Desired } from "./steps.ts";
import { withinUndoLimit } from "./undo_limit.ts";

/** What warm ports work with. */
export interface WarmPortsDeps {
  readonly switch: Pick<
    Switch,
    "ports" | "assignPort" | "parkPorts" | "forgetMacs" | "removePorts"
  >;
  /** Undefined where the link driver has none: then ports of an earlier agent are only removed. */
  readonly warmLinks: WarmLinks | undefined;
  readonly linkRemovals: Pick<LinkRemovals, "add">;
  readonly log: Pick<Log, "info" | "warn">;
  /** Notified where an undo has to be finished by the next reconciliation. */
  readonly reconcileSignal: Pick<Notifier, "notify">;
}

/** A warm port that cannot be used any more and was removed: the pod needs another one. */
export class WarmPortLost extends Fault {}

/** Creates, parks and removes the ports of pods that have warm ones. */
export class WarmPorts {
  /** Called with a port that is free again. */
  onFree: (port: FreePort) => void = () => {};
  readonly #deps: WarmPortsDeps;
  readonly #clearing = new Set<string>();
  /** What had the ports that could not be parked, or only their answer was lost: their rows may not say it any more. */
  readonly #unclear = new Map<string, AttachmentRecord>();

  constructor(deps: WarmPortsDeps) {
    this.#deps = deps;
  }

  /** Ports that are parked and not free yet: the interface of their pod is being removed. */
  get clearing(): ReadonlySet<string> {
    return this.#clearing;
  }

  /**
   * Gives a parked port to a pod; calls `onLinked` as Plumbing.apply() does. Faults: WarmPortLost; those of the
   * drivers, after which the port is parked.
   */
  async attach(
    pair: PairSpec,
    { attachment, tag, reach }: Desired,
    onLinked: () => void,
  ): Promise<void> {
    const [warmLinks, ovs] = [this.#links(pair), this.#deps.switch];
    const sent = Promise.withResolvers<void>();
    const port = attachmentToPort(attachment, tag, reach);
    const assigning = ovs.assignPort(port, sent.resolve).catch(orNotParked);
    assigning.catch(() => {}); // awaited below
    try {
      // ovs-vswitchd takes the flows while the interface is created. No former pod can use them: the pool has only
      // ports whose inner end was seen to be free, and nobody else creates interfaces on one.
      await Promise.race([sent.promise, assigning]);
      await warmLinks.attachPod(pair);
      // The record says ready only now: until then planSteps() has the pod's side repaired, whatever the row says.
      onLinked();
      await assigning;
    } catch (error) {
      await assigning.catch(() => {}); // what it still does, the undo would not see
      await this.#undo(pair, { ...attachment, tag });
      const fault = faultFrom(error);
      if (!(fault instanceof InnerEndUnusable) && !(fault instanceof NotParked)) throw error;
      await this.#retire(pair.hostEnd, fault.message);
      throw lost(pair.hostEnd, fault.message, fault);
    }
  }

  /** Parks a port as it was, also where only an answer was lost. Nobody gets it before all is undone. */
  async #undo(pair: PairSpec, parts: Omit<FreePort, "name">): Promise<void> {
    const { hostEnd: name } = pair;
    this.#clearing.add(name);
    const work = async () => {
      try {
        await this.#deps.switch.parkPorts([parkedPort({ ...parts, name })]);
        await this.#links(pair).detachPod(pair).catch(orUnusable);
      } finally {
        this.#clearing.delete(name);
      }
    };
    await withinUndoLimit(this.#deps, work());
  }

  /**
   * Repairs a pod's interface, and the links below it. That of a set-up which a crash has interrupted may be missing:
   * unless `isReady`, it is created. Faults: as WarmLinks.ensurePodSide(); as WarmLinks.attachPod(), after which a port
   * whose inner end is unusable is parked or removed: the next reconciliation attaches the pod anew.
   */
  async ensurePodSide(pair: PairSpec, { isReady }: { readonly isReady: boolean }): Promise<void> {
    const warmLinks = this.#links(pair);
    if (isReady) return await warmLinks.ensurePodSide(pair);
    try {
      await warmLinks.attachPod(pair);
    } catch (error) {
      if (error instanceof InnerEndUnusable) await (await this.detach([pair.hostEnd])).linksGone;
      throw error;
    }
  }

  /** Takes ports from their pods, which have no network any more; the ports are free, or removed, with `linksGone`. */
  async detach(names: readonly string[]): Promise<{ readonly linksGone: Promise<void> }> {
    const { switch: ovs, linkRemovals } = this.#deps;
    const rows = await ovs.ports(names);
    const withoutRow = names.filter((name) => !rows.some((row) => row.name === name));
    const used = rows.flatMap((row) => {
      const attachment = attachmentFromPort(row) ?? this.#unclear.get(row.name);
      return attachment ? [{ row, attachment }] : [];
    });
    for (const { row, attachment } of used) {
      this.#clearing.add(row.name);
      this.#unclear.set(row.name, attachment);
    }
    try {
      await ovs.parkPorts(used.map(({ row: { name, tag = 0 }, attachment }) => {
        return parkedPort({ ...attachment, name, tag });
      }));
    } catch (error) {
      for (const { row } of used) this.#clearing.delete(row.name);
      throw error;
    }
    for (const { row } of used) this.#unclear.delete(row.name);
    const cleared = used.map(({ row, attachment }) => this.#clear(row, attachment));
    return { linksGone: Promise.all([...cleared, linkRemovals.add(withoutRow)]).then(() => {}) };
  }

  async #clear(row: PortRow, attachment: AttachmentRecord): Promise<void> {
    const { name, tag = 0, mac = "" } = row;
    const { tenant, network, mtu, netns, netnsInode } = attachment;
    try {
      if (!this.#deps.warmLinks) throw new Fault("unavailable", "no driver of warm ports");
      await this.#deps.warmLinks.detachPod({ hostEnd: name, netns, netnsInode });
      await this.#deps.switch.forgetMacs([{ name, tag, mac }]);
      this.#clearing.delete(name);
      this.onFree({ name, tenant, network, tag, mtu });
    } catch (error) {
      await this.#retire(name, faultFrom(error).message).finally(() => this.#clearing.delete(name));
    }
  }

  /** Removes what cannot be parked clean; what is left of it the pool removes. */
  async #retire(name: string, why: string): Promise<void> {
    const { switch: ovs, linkRemovals, log } = this.#deps;
    log.info("warm port removed", { port: name, why });
    await ovs.removePorts([name]).catch(() => {});
    await linkRemovals.add([name]);
  }

  #links({ hostEnd }: PairSpec): WarmLinks {
    if (this.#deps.warmLinks) return this.#deps.warmLinks;
    throw lost(hostEnd, "the link driver has no warm ports");
  }
}

/** A port that is to be removed need not be free. */
function orUnusable(error: unknown): void {
  if (!(error instanceof InnerEndUnusable)) throw error;
}

/** The row of a port is not that of a parked one, or its tag is another. */
class NotParked extends Fault {}

function orNotParked(error: unknown): never {
  const { code, what, why } = faultFrom(error);
  throw code === "not_found" ? new NotParked(code, what, { why, cause: error }) : error;
}

function lost(name: string, why: string, cause?: unknown): WarmPortLost {
  return new WarmPortLost("conflict", `warm port ${name} is lost`, {
    why,
    fix: "the next set-up uses another one",
    cause,
  });
}
