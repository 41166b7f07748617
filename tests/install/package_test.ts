// The Debian package, judged by lintian, and under a real systemd: an upgrade while pods talk, and the removal.

import { assertEquals, assertMatch } from "@std/assert";
import { intentOf } from "../lab/host.ts";
import { startOvs } from "../lab/ovs.ts";
import { pingOn } from "../lab/pings.ts";
import { makePod } from "../lab/pod.ts";
import { buildPackage } from "../lab/debian_package.ts";
import { run } from "../lab/run.ts";
import { SystemdMachine } from "../lab/systemd_machine.ts";
import { waitFor } from "../lab/wait.ts";

const UNIT = "k8contivnet.service";

Deno.test("lintian has nothing to say about the package", async () => {
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-deb-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const deb = await buildPackage(dir, "0.9.0");
  const flags = ["--allow-root", "--no-cfg", "--display-info", "--pedantic", "--fail-on=info"];
  assertEquals((await run("lintian", [...flags, deb], { limitMs: 300_000 })).trim(), "");
});

Deno.test("the package under systemd: the agent, an upgrade, the removal", async () => {
  await using stack = new AsyncDisposableStack();
  stack.use(await startOvs("/run/openvswitch"));
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-deb-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const [old, deb] = [await buildPackage(dir, "0.0.9"), await buildPackage(dir, "0.9.0")];
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intentOf(2)));
  const machine = stack.use(await SystemdMachine.boot("/run/openvswitch", dir));
  const first = stack.use(await makePod("pod0"));
  const pods = [first, stack.use(await makePod("pod1"))];
  await machine.sh(`rm -rf /var/lib/k8contivnet; dpkg --force-depends -i "$1"`, old);
  assertEquals(await machine.property(UNIT, "ActiveState"), "inactive", "it does not start itself");
  assertEquals(await machine.sh(`systemd-analyze verify ${UNIT} 2>&1`), "");
  const settings = JSON.stringify({ docker: "none", intent: `${dir}/intent.json` });
  await machine.sh(
    `echo '${settings}' >/etc/k8contivnet/agent.json; systemctl enable --now ${UNIT}`,
  );
  for (const { namespace, name, id } of pods) {
    await machine.sh(`k8contivnet setup "$@"`, namespace, name, id);
  }
  const pid = await machine.property(UNIT, "MainPID");
  await using pings = pingOn(first, "10.9.0.2", 0.02);
  await waitFor("pings to be answered", () => pings.answered > 10);
  await machine.sh(`dpkg --force-depends -i "$1"`, deb);
  await waitFor("the new agent to answer", async () => {
    const now = await machine.property(UNIT, "MainPID");
    return now !== pid && (await machine.run("k8contivnet status")).code === 0;
  }, { limitMs: 60_000 });
  const { last } = pings;
  await waitFor("later pings to be answered", () => pings.last > last + 10);
  assertEquals(pings.missed(), []);
  assertEquals(await machine.sh("cat /etc/k8contivnet/agent.json"), settings);

  await machine.sh("dpkg -r k8contivnet");
  assertMatch(await machine.sh(`systemctl is-active ${UNIT} || :`), /^(inactive|unknown)$/);
  const left = pings.last;
  await waitFor("pods to stay connected", () => pings.last > left + 10);
  await machine.sh("dpkg -P k8contivnet");
  const places = "/etc/k8contivnet /var/lib/k8contivnet /var/cache/k8contivnet /run/k8contivnet";
  assertEquals(await machine.sh(`ls -d ${places} 2>/dev/null || :`), "");
  assertEquals(await machine.sh(`find /etc/systemd -name '*k8contivnet*'`), "");
});
