// The flows that the policy tables should have by the records and by what Kubernetes says. The compiler is
// loaded with the first policy.

import type { Compiler } from "./compiler.ts";
import type { DropLogging } from "./drop_logging.ts";
import type { KubeInput } from "./kube_input.ts";
import type { PolicyDeps } from "./policy_deps.ts";
import { hasPolicies } from "./policy_records.ts";

/** What the flows are compiled with. */
export type DesiredFlowsDeps = Pick<PolicyDeps, "host" | "store" | "tags" | "log">;

/** The desired flows, up to date as of the last `flows()`. */
export class DesiredFlows {
  readonly #deps: DesiredFlowsDeps;
  readonly #dropLogging: DropLogging;
  #compiler: Compiler | undefined;
  #problems: ReadonlySet<string> = new Set();

  constructor(deps: DesiredFlowsDeps, dropLogging: DropLogging) {
    this.#deps = deps;
    this.#dropLogging = dropLogging;
  }

  /** Model and flows; undefined where there is no policy. */
  get compiler(): Compiler | undefined {
    return this.#compiler;
  }

  /** Tags of the networks that policies apply to. */
  get tags(): ReadonlySet<number> {
    return this.#compiler?.flows.tags ?? new Set<number>();
  }

  /** Reports whether there is not a single policy, and never was since the agent's start. */
  isNone(kube: KubeInput): boolean {
    return !this.#compiler && kube === "none" && !hasPolicies(this.#deps.store.documents);
  }

  /** Returns the flows; with `isFresh` the switch may have lost everything. */
  async flows(kube: KubeInput, isFresh: boolean): Promise<string[]> {
    if (this.isNone(kube)) return [];
    const { host, store: { documents }, tags } = this.#deps;
    const drop = await this.#dropLogging.actions(isFresh);
    if (this.#compiler?.drop !== drop) {
      const { Compiler } = await import("./compiler.ts");
      this.#compiler = new Compiler(drop);
    }
    const compiler = this.#compiler;
    try {
      compiler.update({
        documents,
        kube: typeof kube === "string" ? undefined : kube,
        host,
        tagOf: (network) => tags.tagOf(documents, network),
      });
    } catch (error) {
      // Half an update would pass for a whole one the next time.
      this.#compiler = undefined;
      throw error;
    }
    this.#logProblems(compiler.problems);
    const capture = await this.#dropLogging.captureActions(isFresh);
    const flows = compiler.flows.flows();
    if (capture === undefined) return flows;
    const { isDeniedFlow } = await import("../../policy/flows/pipeline.ts");
    return flows.map((flow) =>
      isDeniedFlow(flow) ? flow.replace(/ actions=.*$/, ` actions=${capture}`) : flow
    );
  }

  /** What is not understood in a policy is logged once, as long as it stays so. */
  #logProblems(problems: readonly string[]): void {
    const { log } = this.#deps;
    for (const problem of problems) if (!this.#problems.has(problem)) log.warn(problem);
    this.#problems = new Set(problems);
  }
}
