// Guards of ports, and of what comes in from other hosts, follow the policed tags: which frames the
// switch hands over to the policy tables. A trunk whose flows could not be made is shut until they are.

import type { FlushingTables } from "../../ovs/policy_tables/megaflow_flush.ts";
import { Fault } from "../../util/errors.ts";
import type { World } from "../world.ts";
import { isShutLine, shutLine } from "./fail_closed.ts";
import type { PolicyVlans } from "./policy_vlans.ts";

/** The switch's guards as they were made last. */
export class PolicyHandover {
  readonly #tables: FlushingTables;
  readonly #policed: PolicyVlans;
  /** Which tags guards were told of last. */
  #told = "";
  /** Lines that stand in for trunks' flows that could not be made. */
  #shut: readonly string[] = [];

  constructor(tables: FlushingTables, policed: PolicyVlans) {
    this.#tables = tables;
    this.#policed = policed;
  }

  /** Takes its own of the lines that the switch has; gives the others. */
  take(lines: readonly string[]): Set<string> {
    this.#shut = lines.filter(isShutLine);
    // They go when the fabrics have done their part, not with the next change of rules.
    if (this.#shut.length > 0) this.distrust();
    return new Set(lines.filter((line) => !isShutLine(line)));
  }

  /** They have to be made anew, whatever they were told. */
  distrust(): void {
    this.#told = "unknown";
  }

  /** Makes them as the policed tags are now. Faults: those of the switch; trunks that are shut. */
  async ensure(world: World): Promise<void> {
    const words = this.#policed.words();
    if (words === this.#told) return;
    this.#told = "";
    await world.switch.refreshAntispoofFlows();
    await world.fabric.ensure(world, { isFresh: true });
    await this.#tables.renew();
    await this.#checkTrunks();
    this.#told = words;
  }

  /** The fabrics do what they can, and try again later: what they have not done is shut until then. */
  async #checkTrunks(): Promise<void> {
    const open = (await this.#tables.openTrunks()).filter((tag) => this.#policed.has(tag));
    const lines = open.map(shutLine);
    await this.#tables.change(this.#shut, lines);
    this.#shut = lines;
    if (open.length === 0) return;
    throw new Fault("failed", "frames of other hosts do not meet the policies yet", {
      why: `VLAN ${open.slice(0, 3).join(", ")} of the bridge is shut for them until they do`,
      fix: "see what the log says of uplink and overlay",
    });
  }
}
