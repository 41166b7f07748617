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
import type { PolicyTables } from "../../ovs/policies.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { Bell } from "../look/bell.ts";
import { Queue } from "../look/queue.ts";
import type { World } from "../world.ts";
import { closingLines, isShutLine, shutLine, tagsIn } from "./closing.ts";
import type { Compiler, KubeObjects } from "./compiler.ts";
import { hasPolicies } from "./input.ts";
import { PolicedTags } from "./policed.ts";
import { Telling } from "./telling.ts";

const RETRY_MS = 1_000;
const LOOK_MS = 60_000;

/** What Kubernetes says: all of it, nothing yet, or there is none. */
export type KubeInput = KubeObjects | "pending" | "none";

/** The policies of this host. */
export class PolicyKeeper {
  /** Rung when policies, or whom they are about, may have changed. */
  readonly bell = new Bell();
  readonly policed: PolicedTags;
  readonly tables: PolicyTables;
  readonly #turns = new Queue();
  #compiler: Compiler | undefined;
  #kube: KubeInput = "none";
  /** Lines that the switch has; undefined where only the switch knows. */
  #have: Set<string> | undefined;
  /** Lines that tell whose the tracker's zones are, as they were in force last. */
  #owners: ReadonlySet<string> = new Set();
  #closed: ReadonlySet<number> = new Set();
  /** Lines that stand in for trunks' flows that could not be made. */
  #shut: readonly string[] = [];
  /** Which tags guards were told of last. */
  #guarded = "";
  #problem: Fault | undefined;
  #said = "";
  #misread: ReadonlySet<string> = new Set();
  readonly #telling: Telling;

  constructor(tables: PolicyTables, policed: PolicedTags, { tellsDrops = false } = {}) {
    this.tables = tables;
    this.policed = policed;
    this.#telling = new Telling(tables, tellsDrops);
  }

  /** Takes over what Kubernetes says now, and rings. */
  setKube(kube: KubeInput): void {
    this.#kube = kube;
    this.bell.ring();
  }

  /** Looks what the switch has at the next `ensure`, and rings: it may have lost everything. */
  recheck(): void {
    if (this.#compiler) this.#have = undefined;
    this.bell.ring();
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
    return this.#compiler;
  }

  /** Model and flows, up to date; undefined where there is no policy. */
  async compiled(world: World): Promise<Compiler | undefined> {
    await this.ensure(world).catch(() => {});
    return this.#compiler;
  }

  /**
   * Brings the policies in force as they should be now; with `isFresh` whatever the switch was told
   * before. Faults: those of the switch; then what could not be brought in force is cut off.
   */
  ensure(world: World, { isFresh = false } = {}): Promise<void> {
    if (this.#isIdle(world) && this.#have?.size === 0) return Promise.resolve();
    if (isFresh) this.#have = undefined;
    return this.#turns.run("policies", async () => {
      try {
        await this.#ensure(world);
        this.#say(world, undefined);
      } catch (error) {
        this.#have = undefined;
        // Guards that are made from now on are closed ones: they have to be made anew later.
        if (this.policed.isEverything) this.#guarded = "unknown";
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
      const isConcerned = this.#closed.size === 0 || tags().some((tag) => this.#closed.has(tag));
      if (isConcerned) throw error;
    }
  }

  #isIdle({ mirror }: World): boolean {
    return !this.#compiler && this.#kube === "none" && !hasPolicies(mirror.documents) &&
      !this.#isUnknown(mirror);
  }

  #isUnknown({ away, documents }: World["mirror"]): boolean {
    return this.#kube === "pending" || (away !== undefined && documents.size === 0);
  }

  async #ensure(world: World): Promise<void> {
    // Without a policy a switch that does not answer is no reason to close anything.
    if (this.#isIdle(world)) this.policed.set([]);
    const isFresh = this.#have === undefined;
    const have = this.#have ?? await this.#read();
    if (this.#isUnknown(world.mirror)) return await this.#keepAsItIs(world, have);
    const want = await this.#wanted(world, isFresh);
    const now = this.#compiler?.flows.tags ?? new Set<number>();
    if (!this.policed.isEverything) {
      // Frames leave the tables before the tables' lines go.
      this.policed.set(this.policed.tags().filter((tag) => now.has(tag)));
      await this.#reguard(world);
    }
    await this.#change(world, have, want);
    if (isFresh) await this.#telling.tidy(have, want);
    this.#have = new Set(want);
    this.policed.set(now);
    await this.#reguard(world);
    this.#closed = new Set();
  }

  async #read(): Promise<Set<string>> {
    const lines = await this.tables.read();
    this.#shut = lines.filter(isShutLine);
    // They go when the fabrics have done their part, not with the next change of rules.
    if (this.#shut.length > 0) this.#guarded = "unknown";
    return new Set(lines.filter((line) => !isShutLine(line)));
  }

  async #wanted(world: World, isFresh: boolean): Promise<string[]> {
    const { documents } = world.mirror;
    if (!this.#compiler && this.#kube === "none" && !hasPolicies(documents)) return [];
    const drop = await this.#telling.actions(world, isFresh);
    if (this.#compiler?.drop !== drop) {
      const { Compiler } = await import("./compiler.ts");
      this.#compiler = new Compiler(drop);
    }
    const compiler = this.#compiler;
    try {
      compiler.update({
        documents,
        kube: typeof this.#kube === "string" ? undefined : this.#kube,
        host: world.host,
        tagOf: (network) => world.tags.tagOf(documents, network),
      });
    } catch (error) {
      // Half an update would pass for a whole one the next time.
      this.#compiler = undefined;
      throw error;
    }
    this.#sayMisread(world, compiler.problems);
    return compiler.flows.lines();
  }

  /** What of a policy is not understood is told once, as long as it stays so. */
  #sayMisread({ log }: World, problems: readonly string[]): void {
    for (const problem of problems) if (!this.#misread.has(problem)) log.warn(problem);
    this.#misread = new Set(problems);
  }

  /** Nothing is known: what the switch has been told before stays; if that is nothing, all is closed. */
  async #keepAsItIs(world: World, have: ReadonlySet<string>): Promise<void> {
    const { tagOfLine } = await import("../../policy/flows/pipeline.ts");
    const tags = [...have].flatMap((line) => tagOfLine(line) ?? []);
    if (have.size === 0) this.policed.setEverything();
    else this.policed.set(tags);
    this.#have = new Set(have);
    await this.#reguard(world);
    throw new Fault("unavailable", "policies are not known yet", {
      why: this.#kube === "pending" ? "the API server has not answered" : "the store is away",
      fix: "what was in force before stays in force",
    });
  }

  async #change(
    world: World,
    have: ReadonlySet<string>,
    want: readonly string[],
  ): Promise<void> {
    try {
      await this.tables.change([...await this.#handOver(have, want)], want);
    } catch (error) {
      const wanted = new Set(want);
      const fresh = want.filter((line) => !have.has(line));
      const gone = [...have].filter((line) => !wanted.has(line));
      const concerned = tagsIn([...fresh, ...gone]);
      // Lines that are the same for all networks are about all of them.
      const tags = concerned.size > 0 ? concerned : tagsIn(want);
      await this.#close(world, { have: [...have], want, tags });
      throw error;
    }
  }

  /** Empties the zones that change hands, whose lines go first; gives the lines that are left. */
  async #handOver(
    have: ReadonlySet<string>,
    want: readonly string[],
  ): Promise<ReadonlySet<string>> {
    if (want.length === 0) {
      this.#owners = new Set();
      return have;
    }
    const { handoverOf, ownersIn } = await import("./zones.ts");
    const { zones, doors } = handoverOf(have, want, this.#owners);
    this.#owners = new Set();
    if (doors.length > 0) await this.tables.change(doors, []);
    for (const zone of zones) await this.tables.emptyZone(zone);
    this.#owners = ownersIn(want);
    const gone = new Set(doors);
    return doors.length === 0 ? have : new Set([...have].filter((line) => !gone.has(line)));
  }

  /** Cuts off whom the refused lines are about; at worst their networks, which needs no flow at all. */
  async #close(
    world: World,
    { have, want, tags }: {
      readonly have: readonly string[];
      readonly want: readonly string[];
      readonly tags: ReadonlySet<number>;
    },
  ): Promise<void> {
    this.#closed = tags;
    try {
      await this.tables.change([], closingLines(want, tags));
    } catch {
      const theirs = have.filter((line) => line.includes("table=10,") && tagsIn([line]).size > 0)
        .filter((line) => [...tagsIn([line])].every((tag) => tags.has(tag)));
      await this.tables.change(theirs, []).catch(() => {});
    }
    if (!this.policed.isEverything) this.policed.set([...this.policed.tags(), ...tags]);
    await this.#reguard(world).catch(() => {});
  }

  /** Guards of ports, and of what comes in from other hosts, follow the policed tags. */
  async #reguard(world: World): Promise<void> {
    const words = this.policed.words();
    if (words === this.#guarded) return;
    this.#guarded = "";
    await world.switch.reguard();
    await world.fabric.ensure(world, { isFresh: true });
    await this.#checkTrunks();
    this.#guarded = words;
  }

  /** The fabrics do what they can, and try again later: what they have not done is shut until then. */
  async #checkTrunks(): Promise<void> {
    const open = (await this.tables.openTrunks()).filter((tag) => this.policed.has(tag));
    const lines = open.map(shutLine);
    await this.tables.change(this.#shut, lines);
    this.#shut = lines;
    if (open.length === 0) return;
    throw new Fault("failed", "frames of other hosts do not meet the policies yet", {
      why: `VLAN ${open.slice(0, 3).join(", ")} of the bridge is shut for them until they do`,
      fix: "see what the log says of uplink and overlay",
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
export async function keepPolicies(world: World, signal: AbortSignal): Promise<void> {
  const { policies } = world;
  while (!signal.aborted) {
    const withinMs = policies.problem === undefined ? LOOK_MS : RETRY_MS;
    await policies.bell.rung({ withinMs, signal });
    // What failed has been said.
    if (!signal.aborted) await policies.ensure(world).catch(() => {});
  }
}
