import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { parseFlags } from "../../../lib/faces/netplugin_flags.ts";
import { agentOptionsFrom } from "../../../lib/faces/netplugin_options.ts";
import { Fault } from "../../../lib/util/errors.ts";

const optionsOf = (...args: string[]) =>
  agentOptionsFrom(
    parseFlags(["--host-label", "host1", ...args], {
      env: () => undefined,
      readFile: () => "{}",
    }),
  );

/** Returns an absolute path of `length` bytes. */
const pathOf = (length: number) => `/${"x".repeat(length - 1)}`;

const sockets: readonly (readonly [flag: string, prefix: string, names: string])[] = [
  ["--socket", "", "--socket"],
  ["--ovsdb", "unix:", "--ovsdb"],
  ["--docker", "unix:", "--docker"],
  ["--docker", "unix://", "--docker"],
  ["--docker", "", "--docker"],
];

for (const [flag, prefix, names] of sockets) {
  Deno.test(`the agent does not start with ${flag} ${prefix}PATH above 107 bytes, and says the limit`, async () => {
    const more = flag === "--ovsdb" ? ["--ovs-rundir", "/run"] : [];
    await optionsOf(flag, `${prefix}${pathOf(107)}`, ...more);
    const fault = await assertRejects(
      () => optionsOf(flag, `${prefix}${pathOf(108)}`, ...more),
      Fault,
    );
    assertEquals([fault.code, fault.what], ["usage", `${names} ${pathOf(108)} is too long`]);
    assertStringIncludes(
      fault.message,
      "it has 108 bytes, and the path of a unix socket at most 107",
    );
  });
}

Deno.test("a socket's path is measured in bytes, not in characters", async () => {
  await assertRejects(() => optionsOf("--socket", `/${"é".repeat(54)}`), Fault, "109 bytes");
});

Deno.test("the agent does not start if a bridge's socket in Open vSwitch's folder would be too long", async () => {
  const fits = pathOf(107 - "/contivTunnel.mgmt".length);
  const short = ["--bridge", "b"];
  await optionsOf("--ovs-rundir", fits, ...short);
  const long = [`${fits}x`, ...short];
  await assertRejects(() => optionsOf("--ovs-rundir", ...long), Fault, "contivTunnel.mgmt is too");
  const beside = `unix:${fits}x/db.sock`; // the folder follows from --ovsdb
  await assertRejects(() => optionsOf("--ovsdb", beside), Fault, "contivBridge.mgmt is too long");
  const name = "a".repeat(15);
  const longer = [fits, "--bridge", name];
  await assertRejects(
    () => optionsOf("--ovs-rundir", ...longer),
    Fault,
    `${name}.mgmt is too long`,
  );
});
