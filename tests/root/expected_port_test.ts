// A turn of ovs-vswitchd that is started for the flows of a port that are about to come, on a real one.

import { assertEquals } from "@std/assert";
import { openSwitch } from "../../lib/ovs/ports/open_switch.ts";
import { startOvs } from "../lab/ovs.ts";
import { waitFor } from "../lab/wait.ts";

const BRIDGE = "expecting";

Deno.test("where a turn of ovs-vswitchd takes long, a port that is expected starts one, and only one", async () => {
  const dir = await Deno.makeTempDir();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const ovs = stack.use(await startOvs(dir));
  const options = { ovsdb: ovs.db, rundir: dir, bridge: BRIDGE, owner: "host-1" };
  const opened = openSwitch("jsonrpc", { ...options, datapath: "netdev" });
  stack.defer(() => opened.close());
  opened.expectPort(); // not connected yet
  await opened.ensureBridge();
  const isUp = () => Promise.resolve(opened.state().openflow === "up");
  await waitFor("the connection to the bridge", isUp);
  await ovs.appctl("vlog/set", "vconn:console:dbg");
  const barriers = async () =>
    (await Deno.readTextFile(`${dir}/ovs-vswitchd.log`)).split("OFPT_BARRIER_REQUEST").length - 1;
  const rest = () => new Promise((done) => setTimeout(done, 200));
  const expectThree = () => {
    for (let n = 0; n < 3; n++) opened.expectPort();
  };
  expectThree();
  await rest();
  assertEquals(await barriers(), 0);
  const ports = Array.from({ length: 300 }, (_, n) => {
    const name = `patch${n}`;
    const set = ["set", "interface", name, "type=patch", `options:peer=no${n}`];
    return ["--", "add-port", BRIDGE, name, "--", ...set];
  });
  await ovs.vsctl(...ports.flat());
  await waitFor("a turn for an expected port", async () => {
    opened.expectPort();
    return await barriers() > 0;
  });
  await rest();
  const before = await barriers();
  expectThree();
  await waitFor("a turn for three", async () => await barriers() > before);
  await rest();
  assertEquals(await barriers(), before + 1);
});
