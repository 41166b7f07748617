// `deno task lab` as a person has it: many hosts, a command or a shell among them, nothing after it.

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { feed } from "../lab/one_file.ts";
import { run } from "../lab/run.ts";
import { hangSignal } from "../lab/limits.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;
const LIMIT_MS = 180_000;

/** Runs the task with these words; `keys` is what is typed. */
async function lab(words: readonly string[], keys = "") {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "lab", "--", ...words],
    cwd: HOUSE,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: hangSignal(LIMIT_MS),
  }).spawn();
  return await feed(child, keys);
}

Deno.test("a command in the lab has its words, its output and its exit code, and nothing stays", async () => {
  const before = [await run("ip", ["-br", "link"]), await run("ip", ["netns"])];
  const script = `
    pod h1 myContainer1
    pod host1 myContainer3
    inside myContainer1 ping -c1 -W1 -q 11.1.0.2 >&2
    on h2 k8contivnet get networks -o name
    k8contivnet get attachments -o name
    unpod myContainer1
    k8contivnet get attachments -o name
    on h2 ovs-vsctl list-br
    exit 7`;
  const words = ["--hosts", "2", "--etcd", "0", "sh", "-ec", script];
  const { code, out, err } = await lab(words);
  assertEquals(code, 7, err);
  assertEquals(out.trim().split("\n"), [
    "tenant-one/orange",
    "tenant-one/purple",
    "tenant-one/orange/myContainer1",
    "tenant-one/orange/myContainer3",
    "tenant-one/orange/myContainer3",
    "contivBridge",
    "contivTunnel",
    "underlay",
  ]);
  assertMatch(err, /host2 +h2 +192\.168\.2\.11/);
  assertMatch(err, / 0% packet loss/);
  assertEquals([await run("ip", ["-br", "link"]), await run("ip", ["netns"])], before);
});

Deno.test("a shell in the lab ends with its own code, and says what it can do", async () => {
  const keys = "on h1 ip -br address show underlay\nexit 3\n";
  const { code, out, err } = await lab(["--hosts", "1", "--etcd", "0"], keys);
  assertEquals(code, 3, err);
  assertStringIncludes(out, "192.168.2.10/24");
  assertStringIncludes(err, "everything is removed when the shell ends");
});

Deno.test("the lab with its defaults is two hosts that share an etcd", async () => {
  const { code, out, err } = await lab(["k8contivnet", "get", "hosts", "-o", "name"]);
  assertEquals(code, 0, err);
  assertEquals(out.trim(), "host1\nhost2");
  assertStringIncludes(err, "store: etcd://10.255.0.254:");
});

Deno.test("a lab that cannot be is refused with how it is written", async () => {
  const { code, err } = await lab(["--fabric", "string"]);
  assertEquals(code, 2, err);
  assertStringIncludes(err, "--fabric wire|vlan-switch|both|none");
});
