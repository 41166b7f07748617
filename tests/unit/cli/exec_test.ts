// `exec` before it enters a pod: which pod is meant, and what is missing.

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { exec } from "../../../lib/cli/exec_command.ts";
import { onePod, parsePod } from "../../../lib/cli/pod_word.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

Deno.test("a pod is NAMESPACE/NAME, or a name in the namespace of -n", () => {
  assertEquals(parsePod("shop/web-1"), { namespace: "shop", name: "web-1" });
  assertEquals(parsePod("web-1"), { namespace: "default", name: "web-1" });
  assertEquals(onePod("why", fakeShell(["web-1"], {}, { namespace: "shop" })).namespace, "shop");
  assertEquals(
    onePod("why", fakeShell(["a/web-1"], {}, { namespace: "shop" })).namespace,
    "a",
  );
  for (const word of ["a/b/c", "/b", "a/", "a b", "../etc"]) {
    assertThrows(() => parsePod(word), Fault, "is not");
  }
  assertThrows(() => onePod("why", fakeShell([], {})), Fault, "why needs one pod");
  assertThrows(() => onePod("why", fakeShell(["a", "b"], {})), Fault, "it takes one pod");
});

Deno.test("exec without a command, without an agent, and with a pod that is elsewhere", async () => {
  const run = (tail: readonly string[], target = {}) =>
    exec.run({ ...fakeShell(["web"], target), tail }) as Promise<number>;
  await assertRejects(() => run([]), Fault, "k8contivnet exec web -- ip address");
  await assertRejects(() => run(["ls"]), Fault, "exec needs the agent of this host");
  const elsewhere = () => Promise.reject(new Fault("not_found", "pod is on host h2"));
  await assertRejects(() => run(["ls"], { sandbox: elsewhere }), Fault, "on host h2");
});
