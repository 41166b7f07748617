import { assertEquals, assertStringIncludes } from "@std/assert";
import plugin from "../../../.ci/lint_rooms.ts";

/** Ids of the rules, without `rooms/`, that complain about `source` as file `place`. */
function complaints(place: string, source: string): string {
  const ids = Deno.lint.runPlugin(plugin, place, source).map(({ id }) => id.replace("rooms/", ""));
  return [...new Set(ids)].join(" ");
}

const imports: readonly (readonly [place: string, source: string, allowed: boolean])[] = [
  ["main.ts", `await import("./lib/faces/exec.ts")`, true],
  ["main.ts", `await import("./lib/cli/main.ts")`, true],
  ["main.ts", `import { Fault } from "./lib/util/errors.ts"`, true],
  ["main.ts", `import "./lib/faces/exec.ts"`, false],
  ["main.ts", `await import("./lib/agent/server.ts")`, false],
  ["main.ts", `import { parseArgs } from "@std/cli/parse-args"`, false],
  ["lib/faces/exec.ts", `import { askAgent } from "../agent/client.ts"`, true],
  ["lib/faces/exec.ts", `import type { PodRequest } from "../agent/api.ts"`, true],
  ["lib/faces/exec.ts", `import { Fault } from "../util/errors.ts"`, true],
  ["lib/faces/exec.ts", `import "./words.ts"`, true],
  ["lib/faces/exec.ts", `import "../agent/server.ts"`, false],
  ["lib/faces/exec.ts", `import "../cli/output.ts"`, false],
  ["lib/faces/exec.ts", `import "../intent/bind.ts"`, false],
  ["lib/faces/exec.ts", `await import("./netplugin.ts")`, false],
  ["lib/faces/cni.ts", `import "node:fs"`, false],
  ["lib/faces/cni.ts", `import "npm:zod@4"`, false],
  ["lib/faces/cni.ts", `import { join } from "@std/path"`, false],
  ["lib/faces/netplugin.ts", `import "../agent/server.ts"`, true],
  ["lib/faces/netdcli.ts", `import { parseArgs } from "@std/cli/parse-args"`, true],
  ["lib/faces/netdcli.ts", `import "../cli/apply.ts"`, true],
  ["lib/faces/netdcli.ts", `import "../store/sqlite.ts"`, false],
  ["lib/cli/apply.ts", `import "../agent/client.ts"`, true],
  ["lib/cli/apply.ts", `await import("../store/open.ts")`, true],
  ["lib/cli/apply.ts", `import "../policy/model.ts"`, true],
  ["lib/cli/pods.ts", `await import("../kube/access.ts")`, true],
  ["lib/kube/kubeconfig.ts", `await import("js-yaml")`, true],
  ["lib/kube/kind.ts", `import "../agent/start.ts"`, false],
  ["lib/cli/apply.ts", `import "js-yaml"`, false],
  ["lib/cli/version.ts", `import house from "../../deno.json" with { type: "json" }`, true],
  ["lib/cli/apply.ts", `import "../ovs/ovsdb.ts"`, false],
  ["lib/cli/apply.ts", `import "../faces/exec.ts"`, false],
  ["lib/agent/pods.ts", `import "../ovs/ovsdb.ts"; import "../kube/api.ts"`, true],
  ["lib/agent/pods.ts", `import "../cli/output.ts"`, false],
  ["lib/agent/pods.ts", `import "../../main.ts"`, false],
  ["lib/agent/pods.ts", `import "../../tests/lab/ovs.ts"`, false],
  ["lib/agent/client.ts", `import type { A } from "../intent/records.ts"`, true],
  ["lib/agent/client.ts", `import { type A } from "../intent/records.ts"`, true],
  ["lib/agent/client.ts", `import { keys } from "../intent/records.ts"`, false],
  ["lib/agent/client.ts", `import "./server.ts"`, false],
  ["lib/agent/client.ts", `import "node:net"`, false],
  ["lib/agent/api.ts", `import * as z from "zod"`, false],
  ["lib/intent/schema.ts", `import * as z from "zod"`, true],
  ["lib/intent/schema.ts", `import * as z from "npm:zod@4.6.7/mini"`, true],
  ["lib/intent/plan.ts", `import "../ipam/ranges.ts"`, true],
  ["lib/intent/plan.ts", `import one from "./examples/one.json" with { type: "json" }`, true],
  ["lib/intent/plan.ts", `import "../store/store.ts"`, false],
  ["lib/intent/plan.ts", `import "node:crypto"`, false],
  ["lib/intent/plan.ts", `import { join } from "@std/path"`, false],
  ["lib/ipam/ranges.ts", `import "../intent/records.ts"`, false],
  ["lib/ipam/ranges.ts", `import * as z from "zod"`, false],
  ["lib/policy/compile.ts", `import type { A } from "../intent/records.ts"`, false],
  ["lib/policy/compile.ts", `export { a } from "../agent/steps.ts"`, false],
  ["lib/policy/compile.ts", `export * from "../agent/steps.ts"`, false],
  ["lib/store/etcd.ts", `await import("etcd3")`, true],
  ["lib/store/sqlite.ts", `import "node:sqlite"`, true],
  ["lib/store/sqlite.ts", `import "../ovs/ovsdb.ts"`, false],
  ["lib/store/sqlite.ts", `import type { A } from "../intent/records.ts"`, false],
  ["lib/store/sqlite.ts", `let a: import("../intent/records.ts").A`, false],
  ["lib/ovs/ovsdb.ts", `import "../net/links.ts"`, false],
  ["lib/ovs/ovsdb.ts", `import "../agent/bell.ts"`, false],
  ["lib/ovs/ovsdb.ts", `import { Etcd3 } from "etcd3"`, false],
  ["lib/ovs/ovsdb.ts", `import { run } from "../util/run.ts"`, true],
  ["lib/net/links.ts", `await import("./" + name)`, false],
  ["lib/net/links.ts", `import "https://localhost/x.ts"`, false],
  ["lib/net/links.ts", `import { assert } from "@std/assert"`, false],
  ["lib/util/run.ts", `import "../intent/records.ts"`, false],
  ["lib/util/run.ts", `import "node:os"`, false],
  ["lib/intent/file/check.ts", `import "../field_rules.ts"; import "./fields.ts"`, true],
  ["lib/agent/pods/setup.ts", `import "../store/documents.ts"; import "./attach.ts"`, true],
  ["lib/agent/pods/setup.ts", `import { items } from "../server/items.ts"`, false],
  ["lib/agent/pods/setup.ts", `import type { Wiring } from "../wiring.ts"`, false],
  ["lib/agent/gc/grace_period.ts", `import "../reconcile/reconcile.ts"`, false],
  ["lib/agent/main.ts", `import "./server/server.ts"; import "./reconcile/reconcile.ts"`, true],
  ["lib/ovs/ovsdb/select.ts", `import "../tools/ovs_tools.ts"`, false],
  ["lib/ovs/bridge/bridge.ts", `import "../ports/socket_driver.ts"`, false],
  ["lib/ovs/ports/socket_driver.ts", `import "../bridge/bridge.ts"`, true],
  ["lib/ovs/ports/socket_driver.ts", `import "../tunnel/tunnel.ts"`, false],
  ["lib/intent/file/check.ts", `import "../plan/claims.ts"`, false],
  ["lib/intent/plan/change_text.ts", `import "../file/fields.ts"`, true],
  ["lib/intent/choice/choose.ts", `import type { A } from "../plan/claims.ts"`, false],
  ["lib/intent/plan.ts", `import "./plan/claims.ts"`, true],
  ["lib/net/netlink/pair.ts", `import "../iproute/commands.ts"`, false],
  ["lib/store/etcd/grpc.ts", `import "../sqlite/sqlite.ts"`, false],
  ["lib/store/etcd/grpc.ts", `import "../store.ts"`, true],
  ["lib/store/other/grpc.ts", `import "../store.ts"`, false],
  ["lib/elsewhere/a.ts", `import "../util/run.ts"`, false],
  ["tests/root/x_test.ts", `import "../../lib/ovs/ovsdb.ts"; import "../../main.ts"`, true],
  [".ci/tool.ts", `import "../lib/ovs/ovsdb.ts"`, true],
];

for (const [place, source, allowed] of imports) {
  Deno.test(`rooms/direction ${allowed ? "allows" : "refuses"} ${source} in ${place}`, () => {
    assertEquals(complaints(place, source), allowed ? "" : "direction");
  });
}

const uses: readonly (readonly [place: string, source: string, want: string])[] = [
  ["lib/ipam/ranges.ts", "Date.now()", "purity"],
  ["lib/ipam/ranges.ts", "new Date()", "purity"],
  ["lib/ipam/ranges.ts", "new Date(5)", ""],
  ["lib/ipam/ranges.ts", "Date()", "purity"],
  ["lib/intent/plan.ts", "Math.random()", "purity"],
  ["lib/intent/plan.ts", "Math.max(1, 2)", ""],
  ["lib/intent/plan.ts", `Deno.env.get("A")`, "purity"],
  ["lib/intent/plan.ts", "crypto.randomUUID()", "purity"],
  ["lib/policy/model.ts", `Deno["readTextFileSync"]("a")`, "purity"],
  ["lib/policy/model.ts", "const { now } = Date; now()", "purity"],
  ["lib/policy/model.ts", "globalThis.Math.random()", "purity"],
  ["lib/policy/model.ts", "setTimeout(() => {}, 1)", "purity"],
  ["lib/agent/bell.ts", "Date.now(); Math.random(); new Date()", ""],
  ["lib/agent/server.ts", "Deno.exit(1)", "exit"],
  ["lib/faces/exec.ts", "globalThis.Deno.exit(1)", "exit"],
  ["lib/cli/apply.ts", "const { exit } = Deno", "exit"],
  ["lib/cli/apply.ts", "Deno.exitCode = 1", ""],
  ["main.ts", "Deno.exit(1)", ""],
  ["tests/lab/x.ts", "Deno.exit(1)", ""],
  ["lib/agent/pods.ts", `new Deno.Command("ip")`, "command"],
  ["lib/store/etcd.ts", `new Deno.Command("etcdctl")`, "command"],
  ["lib/kube/api.ts", `new Deno["Command"]("kubectl")`, "command"],
  ["lib/util/run.ts", `new Deno.Command("ip")`, ""],
  ["lib/ovs/vsctl.ts", `new Deno.Command("ovs-vsctl")`, ""],
  ["lib/net/iproute/driver.ts", `new Deno.Command("ip")`, ""],
  ["lib/runtimes/netns.ts", `new Deno.Command("ip")`, ""],
  ["lib/net/netns.ts", "Deno.statSync(`/proc/${pid}/ns/net`)", "closed"],
  ["lib/net/mtu.ts", `Deno.readTextFileSync("/sys/class/net/lo/mtu")`, "closed"],
  ["lib/ovs/bridge.ts", `const A = "/sys/module/a"; Deno.stat(A)`, "closed"],
  ["lib/net/mtu.ts", `Deno.readTextFileSync("/etc/hosts")`, ""],
  ["lib/net/netns.ts", `run("ip", ["netns", "attach", "a", "/proc/1"])`, ""],
  ["tests/lab/x.ts", `Deno.readTextFileSync("/proc/mounts")`, ""],
  ["lib/agent/pods.ts", `console.log("a")`, "print"],
  ["lib/cli/apply.ts", "Deno.stdout.writeSync(bytes)", "print"],
  ["lib/util/names.ts", "console.error(1)", "print"],
  ["lib/cli/output.ts", `console.log("a")`, ""],
  ["lib/util/log.ts", "Deno.stderr.writeSync(bytes)", ""],
  ["lib/faces/exec.ts", "Deno.stdout.writeSync(bytes)", ""],
  ["tests/bench/x.ts", `console.log("a")`, ""],
];

for (const [place, source, want] of uses) {
  Deno.test(`rooms/${want || "*"} ${want ? "refuses" : "allows"} ${source} in ${place}`, () => {
    assertEquals(complaints(place, source), want);
  });
}

Deno.test("a complaint names the file and what it may not import", () => {
  const [complaint] = Deno.lint.runPlugin(plugin, "lib/ovs/a.ts", `import "../agent/bell.ts"`);
  assertStringIncludes(complaint?.message ?? "", "lib/ovs/a.ts may not import lib/agent/bell.ts");
});
