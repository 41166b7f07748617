// nft beside a program that changes the packet filter without a pause, as kube-proxy does with many services.

import { runNft } from "../../lib/net/host/run_nft.ts";
import { run } from "../lab/run.ts";

Deno.test("nft is asked again where others change the packet filter while it reads", async () => {
  await run("nft", ["add table ip read_here; add set ip read_here s { type ipv4_addr; }"]);
  await run("nft", ["add element ip read_here s { 10.1.1.1 }"]);
  const change = "add table ip changed_here\\ndelete table ip changed_here\\n";
  const changing = new Deno.Command("sh", {
    args: ["-c", `while :; do printf '${change}' | nft -f -; done`],
    stderr: "null",
  }).spawn();
  try {
    for (let n = 0; n < 200; n++) {
      await runNft(["get", "element", "ip", "read_here", "s", "{ 10.1.1.1 }"]);
    }
  } finally {
    changing.kill("SIGKILL");
    await changing.status;
    await run("nft", ["delete table ip read_here"]);
  }
});
