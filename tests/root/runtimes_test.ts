// The contract of runtimes on a real Docker and real network namespaces, and what Docker itself says.

import { assert, assertRejects } from "@std/assert";
import { Fault } from "../../lib/util/errors.ts";
import { startDockerBench } from "../contract/docker_bench.ts";
import { runtimesContract } from "../contract/runtimes_contract.ts";
import { startDockerd } from "../lab/dockerd.ts";

runtimesContract("Docker", startDockerBench);

// 12 digits never meet by chance, so the real answer is asked for with one; that the driver
// understands it is in tests/contract/docker_test.ts.
Deno.test("Docker refuses a prefix that several containers have in the expected words", async () => {
  const dir = await Deno.makeTempDir();
  await using dockerd = await startDockerd(dir);
  for (let n = 0; n < 17; n++) await dockerd.docker("create", "k8contivnet-lab");
  const ids = (await dockerd.docker("ps", "-aq")).split("\n").map((id) => id.slice(0, 1));
  const twice = ids.find((digit, at) => ids.indexOf(digit) !== at)!;
  const refusal = await assertRejects(() => dockerd.docker("container", "inspect", twice), Fault);
  assert(/multiple ids found/i.test(refusal.message), refusal.message);
});
