// Enforces the policies of this host, and fails closed:
//
// - Policy flows come before the frames they judge: a network's flows are in the policy tables before the
//   anti-spoofing flows hand frames to them, and a set-up waits for this before it adds the pod's port.
// - A change of rules is one bundle. If the switch rejects it, the endpoints it concerns are isolated.
// - What is not known (an API server that has not answered yet, a store unreachable at start) changes
//   nothing: what the switch has stays installed, and where it has nothing, nothing passes.
//
// A host without policies has none of this: no flow, no conntrack, and none of the code is loaded.

import type { FlushingTables } from "../../ovs/policy_tables/megaflow_flush.ts";
import type { EgressGuard } from "../../policy/egress_guards.ts";
import type { NetworkPolicy } from "../../policy/input.ts";
import { KeyedQueue } from "../../util/async/keyed_queue.ts";
import { Notifier } from "../../util/async/notifier.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Compiler } from "./compiler.ts";
import { DesiredFlows } from "./desired_flows.ts";
import { DropLogging } from "./drop_logging.ts";
import { InstalledFlows } from "./installed_flows.ts";
import type { KubeInput } from "./kube_input.ts";
import type { PolicyDeps } from "./policy_deps.ts";
import { PolicyHandover } from "./policy_handover.ts";

const RETRY_MS = 1_000;
const PERIOD_MS = 60_000;

/** The policies of this host. */
export class PolicyEnforcer {
  /** Notified when policies, or the endpoints they select, may have changed. */
  readonly signal = new Notifier();
  readonly #deps: PolicyDeps;
  readonly #queue = new KeyedQueue();
  readonly #dropLogging: DropLogging;
  readonly #desired: DesiredFlows;
  readonly #handover: PolicyHandover;
  readonly #installed: InstalledFlows;
  #kube: KubeInput = "none";
  #problem: Fault | undefined;
  #logged = "";

  constructor(deps: PolicyDeps) {
    this.#deps = deps;
    this.#dropLogging = new DropLogging(deps);
    this.#desired = new DesiredFlows(deps, this.#dropLogging);
    this.#handover = new PolicyHandover(deps);
    this.#installed = new InstalledFlows(deps, this.#handover);
  }

  /** The policy tables of the switch. */
  get tables(): FlushingTables {
    return this.#deps.tables;
  }

  /** Takes over what Kubernetes says now, and notifies. */
  setKube(kube: KubeInput): void {
    this.#kube = kube;
    this.#deps.store.hasKubePolicies = this.kubePolicies.length > 0;
    this.signal.notify();
  }

  /** Reads the switch's flows at the next `ensure`, and notifies: it may have lost everything. */
  recheck(): void {
    if (this.#desired.compiler) this.#installed.invalidate();
    this.signal.notify();
  }

  /** Kubernetes' policies as far as they are known. */
  get kubePolicies(): readonly NetworkPolicy[] {
    return typeof this.#kube === "string" ? [] : this.#kube.policies;
  }

  /** What keeps policies from being enforced; undefined where they are. */
  get problem(): string | undefined {
    return this.#problem?.message;
  }

  /** Model and flows as they were installed last; undefined where there is no policy. */
  get known(): Compiler | undefined {
    return this.#desired.compiler;
  }

  /** Reports dropped packets whole, or no longer; returns why that is not possible. Never faults. */
  async captureDrops(isWanted: boolean): Promise<string | undefined> {
    if (this.#dropLogging.isCapturing !== isWanted) {
      this.#dropLogging.isCapturing = isWanted;
      this.recheck();
    }
    const failure = await this.ensure().then(() => undefined, faultFrom);
    return this.#dropLogging.captureProblem ?? failure?.message;
  }

  /** What pods here may send by the receiver's address alone; undefined while policies are not known. */
  egressGuards(): readonly EgressGuard[] | undefined {
    if (this.#isIdle()) return [];
    return this.#isUnknown() ? undefined : this.#desired.compiler?.egressGuards();
  }

  /** Model and flows, up to date; undefined where there is no policy. */
  async compiled(): Promise<Compiler | undefined> {
    await this.ensure().catch(() => {});
    return this.#desired.compiler;
  }

  /**
   * Installs the policies as they should be now; with `isFresh`, compares with what the switch really has.
   * Faults: those of the switch; then what could not be installed is isolated.
   */
  ensure({ isFresh = false } = {}): Promise<void> {
    if (this.#isIdle() && this.#installed.size === 0) return Promise.resolve();
    if (isFresh) this.#installed.invalidate();
    return this.#queue.run("policies", async () => {
      try {
        await this.#ensure();
        this.#report(undefined);
      } catch (error) {
        this.#installed.invalidate();
        // Anti-spoofing flows made from now on are closed ones: they have to be made again later.
        if (this.#deps.vlans.isEverything) this.#handover.invalidate();
        this.#report(faultFrom(error));
        throw error;
      }
    });
  }

  /** As ensure(); faults only where networks with these tags are not under their policies. */
  async ensureFor(tags: () => readonly number[]): Promise<void> {
    try {
      await this.ensure();
    } catch (error) {
      if (this.#isIdle()) return;
      const { isolated } = this.#installed;
      if (isolated.size === 0 || tags().some((tag) => isolated.has(tag))) throw error;
    }
  }

  #isIdle(): boolean {
    return this.#desired.isNone(this.#kube) && !this.#isUnknown();
  }

  #isUnknown(): boolean {
    const { store } = this.#deps;
    return this.#kube === "pending" ||
      (store.unreachable !== undefined && store.documents.size === 0);
  }

  async #ensure(): Promise<void> {
    const { vlans, tables, fabric, store } = this.#deps;
    // New policies may name pods that have not concerned this host.
    await store.settle();
    // Without a policy, nothing is closed when the switch does not answer.
    if (this.#isIdle()) vlans.set([]);
    const isFresh = this.#installed.size === undefined;
    const have = await this.#installed.read();
    if (this.#isUnknown()) return await this.#keepInstalled(have);
    const desired = await this.#desired.flows(this.#kube, isFresh);
    const tags = this.#desired.tags;
    if (!vlans.isEverything) {
      // Frames leave the tables before the tables' flows go.
      vlans.set(vlans.tags().filter((tag) => tags.has(tag)));
      await this.#handover.ensure();
    }
    await this.#installed.change(have, desired);
    if (isFresh) await this.#dropLogging.tidy(have, desired);
    this.#installed.note(desired);
    vlans.set(tags);
    await this.#handover.ensure();
    this.#installed.clearIsolated();
    // The host's packet filter judges by the same rules what the flows do not see.
    if (!isSame(have, desired)) await fabric.ensure();
    // What could not be tidied harms nothing, and no set-up fails for it: the next try tidies again.
    if (desired.length === 0) await tables.removeFlushFlow().catch(() => {});
  }

  /** Nothing is known: what the switch has stays; where that is nothing, everything is closed. */
  async #keepInstalled(have: ReadonlySet<string>): Promise<void> {
    const { vlans } = this.#deps;
    const { tagOfNetworkFlow } = await import("../../policy/flows/pipeline.ts");
    const tags = [...have].flatMap((flow) => tagOfNetworkFlow(flow) ?? []);
    if (have.size === 0) vlans.setEverything();
    else vlans.set(tags);
    this.#installed.note(have);
    await this.#handover.ensure();
    throw new Fault("unavailable", "policies are not known yet", {
      why: this.#kube === "pending"
        ? "the API server has not answered"
        : "the store is unreachable",
      fix: "what was enforced before stays enforced",
    });
  }

  #report(problem: Fault | undefined): void {
    const { log } = this.#deps;
    this.#problem = problem;
    const message = problem?.message ?? "";
    if (message !== this.#logged) {
      if (problem) log.error(`policies are not enforced as they should be: ${message}`);
      else if (this.#logged !== "") log.info("policies are enforced again");
    }
    this.#logged = message;
  }
}

function isSame(have: ReadonlySet<string>, desired: readonly string[]): boolean {
  return have.size === desired.length && desired.every((flow) => have.has(flow));
}

/** Installs policies after each notification until `signal` aborts; retries what failed. */
export async function enforcePolicies(
  policies: PolicyEnforcer,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const withinMs = policies.problem === undefined ? PERIOD_MS : RETRY_MS;
    await policies.signal.wait({ withinMs, signal });
    // What failed has been logged.
    if (!signal.aborted) await policies.ensure().catch(() => {});
  }
}
