// The unit under a real systemd, with a real Open vSwitch: the agent is ready when it is active, starts again
// when it is killed or hangs, is upgraded while pods talk, and is removed. What takes longer is in tests/install.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { intentOf } from "../lab/host.ts";
import { writeOtherVersion } from "../lab/one_file.ts";
import { startOvs } from "../lab/ovs.ts";
import { pingOn } from "../lab/pings.ts";
import { makePod } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { SystemdMachine } from "../lab/systemd_machine.ts";
import { waitFor } from "../lab/wait.ts";

const FILE = "/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet/k8contivnet";
const UNIT = "k8contivnet.service";

/** Writes a folder like this one, whose file is of another version that does the same. */
async function otherVersion(dir: string): Promise<void> {
  const house = new URL("../..", import.meta.url).pathname;
  await run("sh", [
    "-ec",
    'cp -r "$2/.ci" "$2/install.sh" "$1"; mkdir "$1/dist"',
    "sh",
    dir,
    house,
  ]);
  await writeOtherVersion(`${dir}/dist/k8contivnet`, "0.0.9");
}

/** Waits until another process than `before` is the agent, and is ready; returns its id. */
async function nextAgent(machine: SystemdMachine, before: string): Promise<string> {
  return await waitFor("another agent to be ready", async () => {
    const text = await machine.sh(`systemctl show -p MainPID -p ActiveState ${UNIT}`);
    const pid = /^MainPID=([1-9]\d*)$/m.exec(text)?.[1];
    return text.includes("ActiveState=active") && pid !== before && pid;
  }, { limitMs: 30_000 });
}

Deno.test("systemd runs, restarts, watches, upgrades and removes the agent", async (t) => {
  await using stack = new AsyncDisposableStack();
  const ovs = stack.use(await startOvs("/run/openvswitch"));
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-test-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await otherVersion(dir);
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intentOf(2)));
  const machine = stack.use(await SystemdMachine.boot("/run/openvswitch", dir));
  const first = stack.use(await makePod("pod0"));
  const pods = [first, stack.use(await makePod("pod1"))];
  // With warm ports, whose namespace must outlive the agent.
  await machine.sh(`mkdir -p /etc/default
    printf 'K8CONTIVNET_%s\\n' DOCKER=none PORTS=warm >/etc/default/k8contivnet`);
  const inRoot =
    `find /etc /usr /opt /var/lib /run/systemd/system -xdev \\( -newer ${dir}/intent.json \
    -o -path '*k8contivnet*' \\) -not -type d -print | sort`;
  const before = await machine.sh(inRoot);
  // Each step needs what the one before it left.
  const step = async (name: string, run: () => Promise<void>) => {
    if (!await t.step(name, run)) throw new Error(`"${name}" failed`);
  };

  await step("the installed unit is sound, and active once the agent answers", async () => {
    const out = await machine.sh(`"$1/install.sh" install --intent "$1/intent.json"`, dir);
    assertMatch(out, /installed; start the agent with "systemctl enable --now k8contivnet"$/);
    assertEquals(await machine.sh(`systemd-analyze verify ${UNIT} 2>&1`), "");
    const exposure = await machine.sh(`systemd-analyze security --no-pager ${UNIT} | tail -n 1`);
    assert(Number(/: (\d+\.\d) /.exec(exposure)?.[1]) < 6, exposure);
    await machine.sh(`systemctl enable --now ${UNIT}; k8contivnet status`);
    assertEquals(await machine.property(UNIT, "StatusText"), "ready");
    assertEquals(await machine.property(UNIT, "NotifyAccess"), "main");
    for (const { namespace, name, id } of pods) {
      await machine.sh(`k8contivnet setup "$@"`, namespace, name, id);
    }
    assert(await first.reaches("10.9.0.2"), "pods set up under the unit's limits are connected");
  });

  await step("it is started again after kill -9", async () => {
    const pid = await machine.property(UNIT, "MainPID");
    await machine.sh(`kill -9 ${pid}`);
    await nextAgent(machine, pid);
  });

  await step("one that hangs is ended by its watchdog", async () => {
    await machine.sh(`mkdir -p /run/systemd/system/${UNIT}.d
      printf '[Service]\\nWatchdogSec=4\\n' >/run/systemd/system/${UNIT}.d/watchdog.conf
      systemctl daemon-reload; systemctl restart ${UNIT}`);
    const pid = await machine.property(UNIT, "MainPID");
    await new Promise((done) => setTimeout(done, 6_000));
    assertEquals(await machine.property(UNIT, "MainPID"), pid, "one that works is not ended");
    await machine.sh(`kill -STOP ${pid}`);
    await nextAgent(machine, pid);
    assertStringIncludes(await machine.sh(`journalctl -u ${UNIT} -o cat`), "Watchdog timeout");
    await machine.sh(`rm -r /run/systemd/system/${UNIT}.d; systemctl daemon-reload`);
  });

  await step("an upgrade loses no packet of running pods", async () => {
    await using pings = pingOn(first, "10.9.0.2", 0.02);
    await waitFor("pings to be answered", () => pings.answered > 10);
    const pid = await machine.property(UNIT, "MainPID");
    const out = await machine.sh("./install.sh upgrade");
    assertMatch(out, /upgraded; the new agent answers$/);
    assert(await nextAgent(machine, pid) !== pid);
    await machine.sh(`cmp dist/k8contivnet ${FILE}`);
    const { last } = pings;
    await waitFor("later pings to be answered", () => pings.last > last + 10);
    assertEquals(pings.missed(), []);
    assertMatch(await machine.sh("./install.sh upgrade"), /^nothing to upgrade/);
  });

  await step(
    "--purge refuses to cut off pods, and leaves nothing once there are none",
    async () => {
      const refused = await machine.run("./install.sh install --uninstall --purge");
      assertMatch(
        refused.err,
        /^install\.sh: --purge would cut off pods .*: default\/pod0 default\/pod1; remove them/,
      );
      assertEquals(await machine.property(UNIT, "ActiveState"), "active", "nothing was changed");
      for (const { namespace, name, id } of pods) {
        await machine.sh(`k8contivnet teardown "$@"`, namespace, name, id);
      }
      await machine.sh("./install.sh install --uninstall");
      assertEquals(
        await machine.sh(
          "ls /etc/k8contivnet /etc/default/k8contivnet; ls /var/lib/k8contivnet | grep store.db$",
        ),
        "/etc/default/k8contivnet\n\n/etc/k8contivnet:\nintent.json\nstore.db",
      );
      await machine.sh("./install.sh install --uninstall --purge");
      const left = (await machine.sh(inRoot)).split("\n");
      const had = before.split("\n").filter((path) => path !== "/etc/default/k8contivnet");
      assertEquals(
        left.filter((path) => !had.includes(path) && !path.startsWith("/var/lib/systemd/")),
        [],
      );
      assertEquals(await ovs.vsctl("list-br"), "");
      const folders =
        "/run/k8contivnet /var/lib/k8contivnet /etc/k8contivnet /var/cache/k8contivnet";
      assertEquals(await machine.sh(`ls -d ${folders} 2>/dev/null || :`), "");
    },
  );
});
