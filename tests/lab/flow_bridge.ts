// A bridge of an Open vSwitch of its own, for tests of flows alone: no agent, no pod.

import { ensureMeter } from "../../lib/ovs/policy_tables/drop_watch.ts";
import type { SwitchOptions } from "../../lib/ovs/switch.ts";
import { OvsTools } from "../../lib/ovs/tools/ovs_tools.ts";
import { patient } from "./limits.ts";
import { type Ovs, startOvs } from "./ovs.ts";

export const BRIDGE = "flows";

/** Returns the time in `ms`, as deadlines are passed; by default when something that hangs is given up. */
export const soon = (ms = patient(10_000)) => performance.now() + ms;

/** The bridge; its Open vSwitch ends with the test. */
export class FlowBridge implements AsyncDisposable {
  readonly ovs: Ovs;
  /** What the drivers of the bridge need to know. */
  readonly place: SwitchOptions;
  readonly tools: OvsTools;
  readonly #stack: AsyncDisposableStack;

  private constructor(ovs: Ovs, stack: AsyncDisposableStack) {
    this.ovs = ovs;
    this.place = { ovsdb: ovs.db, rundir: ovs.rundir, bridge: BRIDGE, owner: "host1" };
    this.tools = new OvsTools(this.place);
    this.#stack = stack;
  }

  /** Starts it, with the meter that REPORT_AND_DROP needs. */
  static async start(): Promise<FlowBridge> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const ovs = stack.use(await startOvs(dir));
    await ovs.vsctl(
      ...["add-br", BRIDGE, "--", "set", "bridge", BRIDGE, "datapath_type=netdev"],
      ...["fail_mode=secure", "protocols=OpenFlow10,OpenFlow13,OpenFlow14"],
    );
    const bridge = new FlowBridge(ovs, stack.move());
    await ensureMeter(bridge.tools, soon());
    return bridge;
  }

  /** Returns the bridge's flows, sorted; without counters and times. */
  async flows(): Promise<string[]> {
    const text = await this.tools.ofctl("dump-flows", ["--no-stats", "--no-names"], {
      endMs: soon(),
    });
    return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
