// Hands frames over to the policy tables: the anti-spoofing flows of ports, and the flows for what comes in
// from other hosts, follow the VLANs under policy. A trunk whose flows could not be made is closed until
// they are.

import { Fault } from "../../util/errors.ts";
import { isTrunkDropFlow, trunkDropFlow } from "./fail_closed.ts";
import type { PolicyDeps } from "./policy_deps.ts";

/** What the hand-over works with. */
export type PolicyHandoverDeps = Pick<PolicyDeps, "tables" | "vlans" | "switch" | "fabric">;

/** The hand-over as it was installed last. */
export class PolicyHandover {
  readonly #deps: PolicyHandoverDeps;
  /** VLANs that the installed flows hand over, as text. */
  #installed = "";
  /** Flows that close trunks whose own flows could not be made. */
  #closing: readonly string[] = [];

  constructor(deps: PolicyHandoverDeps) {
    this.#deps = deps;
  }

  /** Takes its own out of the flows that the switch has; returns the others. */
  take(flows: readonly string[]): Set<string> {
    this.#closing = flows.filter(isTrunkDropFlow);
    // They go when uplink and tunnels have done their part, not with the next change of rules.
    if (this.#closing.length > 0) this.invalidate();
    return new Set(flows.filter((flow) => !isTrunkDropFlow(flow)));
  }

  /** Makes the next `ensure()` install everything again. */
  invalidate(): void {
    this.#installed = "unknown";
  }

  /** Installs it for the VLANs under policy now. Faults: those of the switch; trunks that are closed. */
  async ensure(): Promise<void> {
    const { vlans, switch: ovs, fabric, tables } = this.#deps;
    const desired = vlans.key();
    if (desired === this.#installed) return;
    this.#installed = "";
    await ovs.refreshAntispoofFlows();
    await fabric.ensure({ isFresh: true });
    await tables.flush();
    await this.#checkTrunks();
    this.#installed = desired;
  }

  /** Uplink and tunnels do what they can and try again later: what is not done is closed until then. */
  async #checkTrunks(): Promise<void> {
    const { vlans, tables } = this.#deps;
    const open = (await tables.openTrunks()).filter((tag) => vlans.has(tag));
    const closing = open.map(trunkDropFlow);
    await tables.change(this.#closing, closing);
    this.#closing = closing;
    if (open.length === 0) return;
    throw new Fault("failed", "frames from other hosts bypass the policies", {
      why: `VLAN ${open.slice(0, 3).join(", ")} of the bridge is closed for them until they do not`,
      fix: "see what the log says of uplink and overlay",
    });
  }
}
