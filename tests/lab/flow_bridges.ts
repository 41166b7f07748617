// Two bridges of one Open vSwitch that are to have the same flows: one gets them by bundles of ours, the
// other by ovs-ofctl.

import {
  type BundleConnection,
  openBundles,
} from "../../lib/ovs/openflow/bundle/bundle_connection.ts";
import { encodeChange, type FlowChange } from "../../lib/ovs/openflow/bundle/flow_mod.ts";
import { ensureMeter } from "../../lib/ovs/policy_tables/drop_watch.ts";
import type { SwitchOptions } from "../../lib/ovs/switch.ts";
import { OvsTools } from "../../lib/ovs/transport/ovs_tools.ts";
import { type Ovs, startOvs } from "./ovs.ts";

export const [OURS, THEIRS] = ["ours", "theirs"];

/** Returns the time in `ms`, as limits are given. */
export const soon = (ms = 10_000) => performance.now() + ms;

/** Returns lines of planFlows as messages; each must be known. */
export function encoded(lines: readonly string[]): FlowChange[] {
  return lines.map((line) => {
    const change = encodeChange(line);
    if (!change) throw new Error(`not encoded: ${line}`);
    return change;
  });
}

/** The switch; it ends with the test. */
export class FlowBridges implements AsyncDisposable {
  readonly ovs: Ovs;
  readonly #stack: AsyncDisposableStack;

  private constructor(ovs: Ovs, stack: AsyncDisposableStack) {
    this.ovs = ovs;
    this.#stack = stack;
  }

  /** Starts a switch with both bridges, where drops can be told. */
  static async start(): Promise<FlowBridges> {
    await using stack = new AsyncDisposableStack();
    const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
    stack.defer(() => Deno.remove(dir, { recursive: true }));
    const ovs = stack.use(await startOvs(dir));
    for (const bridge of [OURS, THEIRS]) {
      await ovs.vsctl(
        ...["add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"],
        ...["fail_mode=secure", "protocols=OpenFlow10,OpenFlow13,OpenFlow14"],
      );
    }
    const bridges = new FlowBridges(ovs, stack.move());
    for (const bridge of [OURS, THEIRS]) await ensureMeter(bridges.tools(bridge), soon());
    return bridges;
  }

  /** Returns what the drivers of a bridge are told. */
  place(bridge = OURS): SwitchOptions {
    return { ovsdb: this.ovs.db, rundir: this.ovs.rundir, bridge, owner: "host1" };
  }

  tools(bridge: string): OvsTools {
    return new OvsTools(this.place(bridge));
  }

  /** Connects to our bridge. */
  async connect(): Promise<BundleConnection> {
    const connection = await openBundles(`${this.ovs.rundir}/${OURS}.mgmt`, soon());
    this.#stack.defer(() => connection.close());
    return connection;
  }

  /** Returns a bridge's flows, sorted; without counters and times. */
  async flows(bridge = OURS): Promise<string[]> {
    const words = ["--no-stats", "--no-names"];
    const text = await this.tools(bridge).ofctl("dump-flows", words, { endMs: soon() });
    return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").sort();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}
