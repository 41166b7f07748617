// Keeps the policies of this host in force, and never lets anything through for want of a rule:
//
// - Rules come before the frames that they judge: the lines of a network are in their tables before its
//   guards hand frames over to them, and a set-up waits for this before it adds the pod's port.
// - A change of rules is one bundle. If the switch refuses it, those whom it is about are cut off.
// - What is not known (an API server that has not been heard yet, a store that is away at start) changes
//   nothing: what the switch has stays in force, and where it has nothing, nothing passes.
//
// A host without policies has none of this: no line, no tracker, and nothing of it is loaded.

import type { NetworkPolicy } from "../../policy/input.ts";
import type { FlushingTables } from "../../ovs/policy_tables/megaflow_flush.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import type { World } from "../world.ts";
import type { Compiler } from "./compiler.ts";
import { PolicyHandover } from "./policy_handover.ts";
import { InstalledFlows } from "./installed_flows.ts";
import type { KubeInput } from "./kube_input.ts";
import type { PolicyVlans } from "./policy_vlans.ts";
import { DropLogging } from "./drop_logging.ts";
import { DesiredFlows } from "./desired_flows.ts";

const RETRY_MS = 1_000;
const LOOK_MS = 60_000;

/** The policies of this host. */
export class PolicyEnforcer {
  /** Rung when policies, or whom they are about, may have changed. */
  readonly signal = new Notifier();
  readonly policed: PolicyVlans;
  readonly tables: FlushingTables;
  readonly #turns = new KeyedQueue();
  readonly #telling: DropLogging;
  readonly #wish: DesiredFlows;
  readonly #guards: PolicyHandover;
  readonly #inForce: InstalledFlows;
  #kube: KubeInput = "none";
  #problem: Fault | undefined;
  #said = "";

  constructor(tables: FlushingTables, policed: PolicyVlans, { tellsDrops = false } = {}) {
    this.tables = tables;
    this.policed = policed;
    this.#telling = new DropLogging(tables, tellsDrops);
    this.#wish = new DesiredFlows(this.#telling);
    this.#guards = new PolicyHandover(tables, policed);
    this.#inForce = new InstalledFlows(tables, policed, this.#guards);
  }

  /** Takes over what Kubernetes says now, and rings. */
  setKube(kube: KubeInput): void {
    this.#kube = kube;
    this.signal.notify();
  }

  /** Looks what the switch has at the next `ensure`, and rings: it may have lost everything. */
  recheck(): void {
    if (this.#wish.compiler) this.#inForce.forget();
    this.signal.notify();
  }

  /** Kubernetes' policies as far as they are known. */
  get kubePolicies(): readonly NetworkPolicy[] {
    return typeof this.#kube === "string" ? [] : this.#kube.policies;
  }

  /** What keeps policies from being in force; undefined where they are. */
  get problem(): string | undefined {
    return this.#problem?.message;
  }

  /** Model and flows as they were brought in force last; undefined where there is no policy. */
  get known(): Compiler | undefined {
    return this.#wish.compiler;
  }

  /** Model and flows, up to date; undefined where there is no policy. */
  async compiled(world: World): Promise<Compiler | undefined> {
    await this.ensure(world).catch(() => {});
    return this.#wish.compiler;
  }

  /**
   * Brings the policies in force as they should be now; with `isFresh` whatever the switch was told
   * before. Faults: those of the switch; then what could not be brought in force is cut off.
   */
  ensure(world: World, { isFresh = false } = {}): Promise<void> {
    if (this.#isIdle(world) && this.#inForce.size === 0) return Promise.resolve();
    if (isFresh) this.#inForce.forget();
    return this.#turns.run("policies", async () => {
      try {
        await this.#ensure(world);
        this.#say(world, undefined);
      } catch (error) {
        this.#inForce.forget();
        // Guards that are made from now on are closed ones: they have to be made anew later.
        if (this.policed.isEverything) this.#guards.distrust();
        this.#say(world, faultFrom(error));
        throw error;
      }
    });
  }

  /** As ensure; faults only where networks with these tags are not guarded as they should be. */
  async ensureFor(world: World, tags: () => readonly number[]): Promise<void> {
    try {
      await this.ensure(world);
    } catch (error) {
      if (this.#isIdle(world)) return;
      const { closed } = this.#inForce;
      if (closed.size === 0 || tags().some((tag) => closed.has(tag))) throw error;
    }
  }

  #isIdle({ store }: World): boolean {
    return this.#wish.isNone(store, this.#kube) && !this.#isUnknown(store);
  }

  #isUnknown({ unreachable, documents }: World["store"]): boolean {
    return this.#kube === "pending" || (unreachable !== undefined && documents.size === 0);
  }

  async #ensure(world: World): Promise<void> {
    // Without a policy a switch that does not answer is no reason to close anything.
    if (this.#isIdle(world)) this.policed.set([]);
    const isFresh = this.#inForce.size === undefined;
    const have = await this.#inForce.lines();
    if (this.#isUnknown(world.store)) return await this.#keepAsItIs(world, have);
    const want = await this.#wish.lines(world, this.#kube, isFresh);
    const now = this.#wish.tags;
    if (!this.policed.isEverything) {
      // Frames leave the tables before the tables' lines go.
      this.policed.set(this.policed.tags().filter((tag) => now.has(tag)));
      await this.#guards.ensure(world);
    }
    await this.#inForce.change(world, have, want);
    if (isFresh) await this.#telling.tidy(have, want);
    this.#inForce.note(want);
    this.policed.set(now);
    await this.#guards.ensure(world);
    this.#inForce.open();
    // What could not be tidied harms nobody, and no set-up fails for it: the next look tries again.
    if (want.length === 0) await this.tables.rest().catch(() => {});
  }

  /** Nothing is known: what the switch has been told before stays; if that is nothing, all is closed. */
  async #keepAsItIs(world: World, have: ReadonlySet<string>): Promise<void> {
    const { tagOfLine } = await import("../../policy/flows/pipeline.ts");
    const tags = [...have].flatMap((line) => tagOfLine(line) ?? []);
    if (have.size === 0) this.policed.setEverything();
    else this.policed.set(tags);
    this.#inForce.note(have);
    await this.#guards.ensure(world);
    throw new Fault("unavailable", "policies are not known yet", {
      why: this.#kube === "pending" ? "the API server has not answered" : "the store is away",
      fix: "what was in force before stays in force",
    });
  }

  #say({ log }: World, problem: Fault | undefined): void {
    this.#problem = problem;
    const words = problem?.message ?? "";
    if (words !== this.#said) {
      if (problem) log.error(`policies are not in force as they should be: ${words}`);
      else if (this.#said !== "") log.info("policies are in force again");
    }
    this.#said = words;
  }
}

/** Follows rings until `signal` aborts; tries again what failed. */
export async function enforcePolicies(world: World, signal: AbortSignal): Promise<void> {
  const { policies } = world;
  while (!signal.aborted) {
    const withinMs = policies.problem === undefined ? LOOK_MS : RETRY_MS;
    await policies.signal.wait({ withinMs, signal });
    // What failed has been said.
    if (!signal.aborted) await policies.ensure(world).catch(() => {});
  }
}
