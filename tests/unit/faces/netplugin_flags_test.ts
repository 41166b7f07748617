import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { parseFlags } from "../../../lib/faces/netplugin_flags.ts";
import { Fault } from "../../../lib/util/errors.ts";

const nothing = { env: () => undefined, readFile: () => "{}" };

// A driver that is not named, or that nobody knows, was an error of the original's start.
const refused: readonly { args: readonly string[]; says: string }[] = [
  { args: ["--ovs-driver", "openflow"], says: "one of jsonrpc, vsctl" },
  { args: ["--link-driver=brctl"], says: "one of auto, netlink, ip" },
  { args: ["-datapath", "dpdk"], says: "one of auto, system, netdev" },
  { args: ["--ovs-driver="], says: "needs a value" },
  { args: ["-host-lable", "host1"], says: "did you mean --host-label?" },
];

for (const { args, says } of refused) {
  Deno.test(`parseFlags() refuses ${args.join(" ")}`, () => {
    const fault = assertThrows(() => parseFlags(args, nothing), Fault);
    assertEquals(fault.code, "usage");
    assertStringIncludes(fault.message, says);
  });
}

const labels: readonly (readonly string[])[] = [
  ["-host-label", "host1"],
  ["--host-label", "host1"],
  ["-host-label=host1"],
  ["--host-label=host1"],
];

for (const args of labels) {
  Deno.test(`parseFlags() reads the label from ${args.join(" ")}`, () => {
    assertEquals(parseFlags(args, nothing).get("host-label"), ["host1"]);
  });
}
