// Waiting for ovs-vswitchd's revalidators, on a real one.

import { assert, assertEquals } from "@std/assert";
import { type Receiver, RevalidatorWait } from "../../lib/ovs/ports/revalidator_wait.ts";
import { bridgeIsUp, type Ovs, startOvs } from "../lab/ovs.ts";
import { waitFor } from "../lab/wait.ts";

const CACHED = "02:00:00:00:00:01";
const UNKNOWN = "02:00:00:00:00:02";
const PORT = "cw00000000001";
const GATEWAY = "02:00:00:00:00:fe";

function portWith(mac: string, reach?: Receiver["reach"]): Receiver {
  return { name: PORT, mac, addresses: ["10.9.0.2"], reach };
}

/** Starts Open vSwitch with a bridge, until `stack` is disposed of. */
async function startBridge(stack: AsyncDisposableStack): Promise<{ dir: string; ovs: Ovs }> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  await ovs.vsctl("add-br", "br", "--", "set", "bridge", "br", "datapath_type=netdev");
  await bridgeIsUp(ovs, "br");
  // Its links would stay: one has the name of a warm port.
  stack.defer(() => ovs.vsctl("--timeout=5", "--if-exists", "del-br", "br").then(() => {}));
  return { dir, ovs };
}

/** Changes a flow at each nudge, so that all cached ones are revalidated. */
class Nudger {
  readonly #ovs: Ovs;
  readonly #changes: Promise<unknown>[] = [];

  constructor(ovs: Ovs) {
    this.#ovs = ovs;
  }

  readonly nudge = (): void => {
    this.#changes.push(this.#ovs.ofctl("add-flow", "br", "priority=1,actions=drop"));
  };

  /** Waits for the changes since the last call; returns how many there were. */
  async take(): Promise<number> {
    return (await Promise.all(this.#changes.splice(0))).length;
  }
}

Deno.test("a call for a cached MAC waits for two nudged rounds, shared by concurrent calls; a restart of ovs-vswitchd is survived", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, ovs } = await startBridge(stack);
  const nudger = new Nudger(ovs);
  using revalidation = new RevalidatorWait(dir, nudger.nudge);
  /** Nudges while `macs` ask at once, with a frame to CACHED just dropped. */
  const nudgesFor = async (...macs: string[]) => {
    const flow = `in_port(1),eth(dst=${CACHED}),eth_type(0x0800),ipv4(frag=no)`;
    await ovs.appctl("dpctl/add-flow", "netdev@ovs-netdev", flow, "drop").catch(() => {}); // it may be there
    await Promise.all(macs.map((mac) => revalidation.caughtUp(portWith(mac))));
    return await nudger.take();
  };
  assertEquals(await nudgesFor(UNKNOWN), 0);
  const waits = (...macs: string[]) =>
    waitFor("two rounds", async () => {
      const nudges = await nudgesFor(...macs);
      assert(nudges === 0 || nudges === 2); // 0: a round of their own has taken the flow away
      return nudges === 2;
    });
  await waits(CACHED);
  await waits(CACHED, UNKNOWN, CACHED);
  assertEquals(await nudgesFor(...Array.from({ length: 9 }, (_, n) => `02:00:00:00:01:0${n}`)), 2);
  await ovs.killVswitchd();
  assertEquals(await nudgesFor(CACHED), 0); // no answer comes: it ends all the same
  await ovs.startVswitchd();
  await waits(CACHED);
  await ovs.killVswitchd();
  await ovs.startVswitchd();
  await waits(CACHED);
});

Deno.test("a cached flow that outputs to the port is not waited for, one that outputs to others is", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, ovs } = await startBridge(stack);
  for (const name of [PORT, "other"]) {
    await ovs.vsctl("add-port", "br", name, "--", "set", "interface", name, "type=internal");
  }
  const shown = await ovs.appctl("dpctl/show");
  const numberOf = (name: string) => new RegExp(`port (\\d+): ${name}\\b`).exec(shown)?.[1];
  const [port, other] = [numberOf(PORT), numberOf("other")];
  const nudger = new Nudger(ovs);
  using revalidation = new RevalidatorWait(dir, nudger.nudge);
  /** Nudges for a call with such a flow cached; undefined if a round has taken the flow away. */
  const nudgesFor = async (match: string, actions: string, isReturning = false) => {
    const flow = `${match},eth_type(0x0800),ipv4(frag=no)`;
    await ovs.appctl("dpctl/del-flows");
    await ovs.appctl("dpctl/add-flow", "netdev@ovs-netdev", flow, actions);
    await revalidation.caughtUp({ ...portWith(CACHED), isReturning });
    const isThere = (await ovs.appctl("dpctl/dump-flows")).includes(CACHED);
    const nudges = await nudger.take();
    return nudges > 0 || isThere ? nudges : undefined;
  };
  const to = `in_port(1),eth(dst=${CACHED})`;
  const from = (number: string | undefined) =>
    `in_port(${number}),eth(src=${CACHED},dst=${UNKNOWN})`;
  for (
    const [match, actions, expected, isReturning] of [
      [to, `${port}`, 0],
      [to, `${other},${port}`, 0],
      [to, `push_vlan(vid=100,pcp=0),${other},pop_vlan,${port},1`, 0],
      [to, `${other}`, 2],
      [to, "drop", 2],
      [to, `push_vlan(vid=${port},pcp=0),${other}`, 2],
      [from(port), "drop", 0],
      [from(port), "drop", 2, true],
      [from(other), "drop", 0, true],
      [from(port), `${other}`, 0, true],
    ] as const
  ) {
    await waitFor(
      `${expected} rounds for ${match} ${actions}`,
      async () => await nudgesFor(match, actions, isReturning) === expected,
    );
  }
});

Deno.test("packets that a gateway delivers are cached with its MAC: a call of a port with a gateway checks its addresses", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, ovs } = await startBridge(stack);
  const nudger = new Nudger(ovs);
  using revalidation = new RevalidatorWait(dir, nudger.nudge);
  const plain = { gateway: "10.9.0.254", hostMac: GATEWAY, hasServices: true };
  const aliased = { ...plain, alias: { address: "100.64.0.7", hairpin: "100.64.0.8" } };
  /** Nudges for a call of a port with `reach`, with packets to `match` just dropped. */
  const nudgesFor = async (match: string, reach?: Receiver["reach"]) => {
    const flow = `in_port(1),eth(dst=${GATEWAY}),eth_type(0x0800),ipv4(${match})`;
    await ovs.appctl("dpctl/add-flow", "netdev@ovs-netdev", flow, "drop").catch(() => {}); // it may be there
    await revalidation.caughtUp(portWith(UNKNOWN, reach));
    return await nudger.take();
  };
  const waits = (what: string, match: string, reach?: Receiver["reach"]) =>
    waitFor(what, async () => await nudgesFor(match, reach) === 2); // 0: a round has taken the flow away
  await waits("its address", "dst=10.9.0.2,frag=no", plain);
  await waits("a block with its address", "dst=10.9.0.0/255.255.255.0,frag=no", plain);
  await waits("its alias", "dst=100.64.0.7,frag=no", aliased);
  for (
    const [match, reach] of [
      ["dst=10.9.0.2,frag=no", undefined],
      ["dst=10.9.0.3,frag=no", aliased],
      ["dst=100.64.0.7,frag=no", plain],
      ["src=10.9.0.2,frag=no", aliased],
    ] as const
  ) {
    await waitFor("former flows go", async () => await nudgesFor("frag=no", aliased) === 0);
    assertEquals(await nudgesFor(match, reach), 0, match);
  }
});

Deno.test("before its flows are there, a port is not taken for one that nothing cached concerns", async () => {
  await using stack = new AsyncDisposableStack();
  const { dir, ovs } = await startBridge(stack);
  for (const name of [PORT, "other"]) {
    await ovs.vsctl("add-port", "br", name, "--", "set", "interface", name, "type=internal");
  }
  await ovs.ofctl("del-flows", "br");
  using revalidation = new RevalidatorWait(dir, () => {});
  const cookie = 0x6b38000100000001n;
  const trace = { bridge: "br", packet: `in_port=${PORT},dl_src=${UNKNOWN}`, cookie };
  const isCaughtUp = (mac = UNKNOWN) => revalidation.isCaughtUp(portWith(mac), trace);
  assertEquals(await isCaughtUp(), false);
  const flow = (of: bigint) => `cookie=0x${of.toString(16)},dl_src=${UNKNOWN},actions=NORMAL`;
  await ovs.ofctl("add-flow", "br", flow(cookie + 1n));
  assertEquals(await isCaughtUp(), false);
  await ovs.ofctl("add-flow", "br", flow(cookie));
  assertEquals(await isCaughtUp(), true);
  await waitFor("a frame to another port to count", async () => {
    const match = `in_port(1),eth(dst=${CACHED}),eth_type(0x0800),ipv4(frag=no)`;
    await ovs.appctl("dpctl/add-flow", "netdev@ovs-netdev", match, "drop").catch(() => {}); // it may be there
    return !await isCaughtUp(CACHED);
  });
  // Many at once are less work where they wait together.
  const answers = await Promise.all(Array.from({ length: 5 }, () => isCaughtUp()));
  assertEquals(answers, [true, true, true, false, false]);
  await ovs.killVswitchd();
  assertEquals(await isCaughtUp(), false);
  await ovs.startVswitchd();
});
