// What every Switch promises of policy VLANs, whose frames its ports hand to the policy tables.

import type { PortSpec } from "../../lib/ovs/switch.ts";
import {
  add,
  assertPorts,
  type Declare,
  REACH,
  specOf,
  type SwitchBench,
} from "./switch_contract.ts";

/** A call that sends flows, and what is there when it has ended. */
interface Change {
  readonly done: Promise<void>;
  readonly specs: readonly PortSpec[];
}

/** Calls that send flows, on a bridge that has port 1. */
const CHANGES: Readonly<
  Record<string, (bench: SwitchBench, round: number) => Change | Promise<Change>>
> = {
  "addPort()": async (bench) => {
    await bench.switch.removePorts(["swp2"]);
    await bench.addLink("swp2");
    return { done: bench.switch.addPort(specOf(2)), specs: [specOf(1), specOf(2)] };
  },
  "syncPorts()": async (bench) => {
    // What was lost makes it compare all flows.
    await bench.deleteFlows();
    return { done: bench.switch.syncPorts([specOf(1)]), specs: [specOf(1)] };
  },
  "setTag()": (bench, round) => {
    const spec = specOf(1, { tag: 101 + round % 2 });
    return { done: bench.switch.setTag(spec.name, spec.tag), specs: [spec] };
  },
  "setExternalIds()": async (bench) => {
    await bench.switch.setExternalIds(specOf(1, { reach: REACH }));
    return { done: bench.switch.setExternalIds(specOf(1)), specs: [specOf(1)] };
  },
};

/** Milliseconds from such a call to the change of policy VLANs. */
const MOMENTS = [0, 5, 10, 15, 20, 30, 40, 60, 90, 120];

/** Declares the tests. */
export function policyVlansContract(promise: Declare): void {
  promise("refreshAntispoofFlows() follows the policy VLANs of now", async (bench) => {
    const specs = [specOf(1), specOf(2, { tag: 102 })];
    for (const spec of specs) await add(bench, spec);
    for (const tags of [[101], [101, 102], []]) {
      bench.policyVlans.clear();
      tags.forEach((tag) => bench.policyVlans.add(tag));
      await bench.switch.refreshAntispoofFlows();
      await assertPorts(bench, specs);
    }
  });

  for (const [what, change] of Object.entries(CHANGES)) {
    promise(`policy VLANs that change during ${what} are followed by all flows`, async (bench) => {
      await add(bench, specOf(1));
      for (const [round, afterMs] of MOMENTS.entries()) {
        const { done, specs } = await change(bench, round);
        await new Promise((reached) => setTimeout(reached, afterMs));
        bench.policyVlans.clear();
        if (round % 2 === 1) [101, 102].forEach((tag) => bench.policyVlans.add(tag));
        await Promise.all([done, bench.switch.refreshAntispoofFlows()]);
        await assertPorts(bench, specs);
      }
    });
  }
}
