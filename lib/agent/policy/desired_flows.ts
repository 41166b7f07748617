// What should be in force by the records and by what Kubernetes says, as lines. The compiler is loaded
// with the first policy.

import type { World } from "../world.ts";
import type { Compiler } from "./compiler.ts";
import { hasPolicies } from "./policy_records.ts";
import type { KubeInput } from "./kube_input.ts";
import type { DropLogging } from "./drop_logging.ts";

/** The wish, up to date as of the last `lines()`. */
export class DesiredFlows {
  readonly #telling: DropLogging;
  #compiler: Compiler | undefined;
  #misread: ReadonlySet<string> = new Set();

  constructor(telling: DropLogging) {
    this.#telling = telling;
  }

  /** Model and flows; undefined where there is no policy. */
  get compiler(): Compiler | undefined {
    return this.#compiler;
  }

  /** Tags of the networks that policies are about. */
  get tags(): ReadonlySet<number> {
    return this.#compiler?.flows.tags ?? new Set<number>();
  }

  /** Reports whether nobody has asked for a policy yet, nor does now. */
  isNone({ documents }: World["store"], kube: KubeInput): boolean {
    return !this.#compiler && kube === "none" && !hasPolicies(documents);
  }

  /** Returns the lines; where `isFresh` the switch may have lost everything. */
  async lines(world: World, kube: KubeInput, isFresh: boolean): Promise<string[]> {
    const { documents } = world.store;
    if (this.isNone(world.store, kube)) return [];
    const drop = await this.#telling.actions(world, isFresh);
    if (this.#compiler?.drop !== drop) {
      const { Compiler } = await import("./compiler.ts");
      this.#compiler = new Compiler(drop);
    }
    const compiler = this.#compiler;
    try {
      compiler.update({
        documents,
        kube: typeof kube === "string" ? undefined : kube,
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
}
