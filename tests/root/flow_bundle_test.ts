// Bundles of flows over a connection of our own, on a real Open vSwitch: what ovs-ofctl brings in force
// is what they bring in force, for each line that policies make; and all of it, or nothing.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { closingLines, shutLine } from "../../lib/agent/policy/closing.ts";
import { type BundleConnection, openBundles } from "../../lib/ovs/bundle/connection.ts";
import { encodeChange, type FlowChange } from "../../lib/ovs/bundle/flow_mod.ts";
import { ensureMeter, TELL_AND_DROP } from "../../lib/ovs/drop_watch.ts";
import { planFlows } from "../../lib/ovs/flows.ts";
import { openOpenFlow } from "../../lib/ovs/openflow_connection.ts";
import { openPolicyTables } from "../../lib/ovs/policies.ts";
import { Tools } from "../../lib/ovs/tools.ts";
import { DROP, placeOf } from "../../lib/policy/flows/pipeline.ts";
import { Fault } from "../../lib/util/errors.ts";
import { type Ovs, startOvs } from "../lab/ovs.ts";
import { waitFor } from "../lab/wait.ts";
import { build } from "../unit/policy/build.ts";
import { Dice, randomWorld } from "../unit/policy/random_worlds.ts";

const WORLDS = 60;
const [OURS, THEIRS] = ["ours", "theirs"];
const soon = (ms = 10_000) => performance.now() + ms;

interface Lab extends AsyncDisposable {
  readonly ovs: Ovs;
  readonly place: (
    bridge: string,
  ) => { ovsdb: string; rundir: string; bridge: string; owner: string };
  connect(): Promise<BundleConnection>;
  flowsOf(bridge: string): Promise<string[]>;
}

async function startLab(): Promise<Lab> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  const place = (bridge: string) => ({ ovsdb: ovs.db, rundir: ovs.rundir, bridge, owner: "host1" });
  for (const bridge of [OURS, THEIRS]) {
    await ovs.vsctl(
      ...["add-br", bridge, "--", "set", "bridge", bridge, "datapath_type=netdev"],
      ...["fail_mode=secure", "protocols=OpenFlow10,OpenFlow13,OpenFlow14"],
    );
    await ensureMeter(new Tools(place(bridge)), soon());
  }
  const connections: BundleConnection[] = [];
  stack.defer(() => connections.forEach((one) => one.close()));
  const kept = stack.move();
  return {
    ovs,
    place,
    connect: async () => {
      const connection = await openBundles(`${ovs.rundir}/${OURS}.mgmt`, soon());
      connections.push(connection);
      return connection;
    },
    flowsOf: async (bridge) => {
      const words = ["--no-stats", "--no-names"];
      const text = await new Tools(place(bridge)).ofctl("dump-flows", words, { endMs: soon() });
      return text.split("\n").map((line) => line.trim()).filter((line) => line !== "").sort();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

function encoded(lines: readonly string[]): FlowChange[] {
  return lines.map((line) => {
    const change = encodeChange(line);
    assert(change, `not encoded: ${line}`);
    return change;
  });
}

/** Lines of a random world as one of the agent's switches has them at some time. */
function linesOf(seed: number): string[] {
  const dice = new Dice(seed * 15_485_863);
  const { flows } = build(randomWorld(dice), dice.chance(50) ? TELL_AND_DROP : DROP);
  const lines = flows.lines();
  const closing = dice.chance(30) ? closingLines(lines, flows.tags) : [];
  return [...lines, ...closing, ...dice.chance(30) ? [shutLine(1 + dice.below(4_094))] : []];
}

Deno.test("each line that policies make is the same in force, by a bundle of ours and by ovs-ofctl", async () => {
  await using lab = await startLab();
  const connection = await lab.connect();
  const theirs = new Tools(lab.place(THEIRS));
  const forms = new Set<string>();
  let have: string[] = [];
  for (let seed = 1; seed <= WORLDS; seed++) {
    const want = linesOf(seed);
    const lines = planFlows(have, want);
    const changes = encoded(lines);
    changes.forEach(({ form }) => forms.add(form));
    await connection.send(changes, soon());
    await theirs.changeFlows(lines, soon());
    const seen = await lab.flowsOf(OURS);
    assertEquals(seen, await lab.flowsOf(THEIRS), `seed ${seed}`);
    assertEquals(seen, [...new Set(want)].sort(), `seed ${seed}`);
    have = want;
  }
  assert(forms.size > 60, `only ${forms.size} kinds of lines were tried`);
});
