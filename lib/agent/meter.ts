// What the agent is measured with. Only with --listen there is a meter: without one nothing is wrapped, so that the
// way of a pod's set-up is the same code as without metrics.

import type { SetupOutcome } from "./api/pod_requests.ts";
import type { ApplyClaimDeps } from "./pods/apply_claim.ts";
import type { SetupDeps } from "./pods/setup.ts";
import type { TeardownDeps } from "./pods/teardown.ts";

/** What is done for a pod. */
export type Operation = "attach" | "detach";

/** Takes durations and counts. Its calls return what `work` returns, and fail as it fails. */
export interface Meter {
  /** Does all of an operation that a kubelet or a container runtime asked for. */
  operation<T>(name: Operation, work: () => Promise<T>): Promise<T>;
  /** The same for an attach whose result has an outcome. */
  attach<T extends { readonly outcome: SetupOutcome }>(work: () => Promise<T>): Promise<T>;
  /** Does one phase of an operation, whoever asked for it. */
  phase<T>(operation: Operation, phase: string, work: () => Promise<T>): Promise<T>;
  /** Does one reconciliation. */
  reconciliation<T>(work: () => Promise<T>): Promise<T>;
}

/** Names of phases by the members of `T` that are measured as such. */
type Phases<T> = Partial<Record<keyof T, string>>;

/** Returns `target`, whose members named in `phases` are measured. */
function measured<T extends object>(
  meter: Meter,
  operation: Operation,
  target: T,
  phases: Phases<T>,
): T {
  const names: Partial<Record<PropertyKey, string>> = phases;
  // Around an empty object: one that is frozen would let a proxy change nothing.
  return new Proxy({} as T, {
    get: (_, key) => {
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member !== "function") return member;
      const phase = names[key];
      const call = (...args: unknown[]): Promise<unknown> => member.apply(target, args);
      if (phase === undefined) return call;
      return (...args: unknown[]) => meter.phase(operation, phase, () => call(...args));
    },
  });
}

/** What the agent is composed with: everything as it is, or measured if there is a meter. */
export interface Measured {
  readonly claim: (deps: ApplyClaimDeps) => ApplyClaimDeps;
  readonly setup: (deps: SetupDeps) => SetupDeps;
  readonly teardown: (deps: TeardownDeps) => TeardownDeps;
  readonly detach: <T>(work: () => Promise<T>) => Promise<T>;
  readonly reconciliation: <T>(work: () => Promise<T>) => Promise<T>;
}

const UNMEASURED: Measured = {
  claim: (deps) => deps,
  setup: (deps) => deps,
  teardown: (deps) => deps,
  detach: (work) => work(),
  reconciliation: (work) => work(),
};

/** Returns what the agent is composed with. */
export function measuredBy(meter: Meter | undefined): Measured {
  if (!meter) return UNMEASURED;
  return {
    claim: (deps) => ({
      ...deps,
      policies: measured(meter, "attach", deps.policies, { ensureFor: "policies" }),
      fabric: measured(meter, "attach", deps.fabric, { ensure: "fabric" }),
      reach: measured(meter, "attach", deps.reach, { ready: "gateway", ensureFor: "gateway" }),
      plumbing: measured(meter, "attach", deps.plumbing, { apply: "port" }),
      store: measured(meter, "attach", deps.store, { commit: "record" }),
    }),
    setup: (deps) => ({
      ...deps,
      runtimes: measured(meter, "attach", deps.runtimes, { findSandbox: "sandbox" }),
      store: measured(meter, "attach", deps.store, { commit: "claim" }),
    }),
    teardown: (deps) => ({
      ...deps,
      plumbing: measured(meter, "detach", deps.plumbing, { detach: "port" }),
      store: measured(meter, "detach", deps.store, { commit: "release" }),
    }),
    detach: (work) => meter.operation("detach", work),
    reconciliation: (work) => meter.reconciliation(work),
  };
}
