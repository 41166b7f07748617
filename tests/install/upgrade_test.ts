// Upgrades under a real systemd, with pods that talk: from an older version, to one that does not work, and one that
// is interrupted. K8CONTIVNET_OLD is a folder with an older version (install.sh, .ci, dist); without it, it is this
// one under another number.

import { assertEquals, assertMatch } from "@std/assert";
import { intentOf } from "../lab/host.ts";
import { writeOtherVersion, writeVariant } from "../lab/one_file.ts";
import { startOvs } from "../lab/ovs.ts";
import { pingOn } from "../lab/pings.ts";
import { makePod } from "../lab/pod.ts";
import { run } from "../lab/run.ts";
import { SystemdMachine } from "../lab/systemd_machine.ts";
import { waitFor } from "../lab/wait.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;
const FILE = "/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet/k8contivnet";
const UNIT = "k8contivnet.service";

/** Copies this folder's installer to `dir`; its file is for the caller to write. */
async function installerIn(dir: string): Promise<string> {
  const script = `mkdir -p "$1/dist"; cp -r "$2/.ci" "$2/install.sh" "$1"`;
  await run("sh", ["-ec", script, "sh", dir, HOUSE]);
  return `${dir}/dist/k8contivnet`;
}

/** Returns the folder of an older version. */
async function olderVersion(dir: string): Promise<string> {
  const given = Deno.env.get("K8CONTIVNET_OLD");
  if (given) return given;
  const file = await installerIn(dir);
  await writeOtherVersion(file, "0.0.9");
  return dir;
}

/** Writes a version whose agent does `agent`, and which otherwise seems to work. */
async function brokenVersion(dir: string, agent: string): Promise<string> {
  const script =
    `case "$*" in *netplugin*) ${agent} ;; status*) exit 5 ;; esac; echo "# k8contivnet"`;
  await writeVariant(await installerIn(dir), script);
  return dir;
}

Deno.test("upgrades lose no packet, and what does not work is taken back", async (t) => {
  await using stack = new AsyncDisposableStack();
  stack.use(await startOvs("/run/openvswitch"));
  const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-upgrade-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const old = await olderVersion(`${dir}/old`);
  const hanging = await brokenVersion(`${dir}/hanging`, "exec sleep 1000");
  const ending = await brokenVersion(`${dir}/ending`, "exit 1");
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intentOf(2)));
  const folders = ["/run/openvswitch", dir, ...old.startsWith(dir) ? [] : [old]];
  const machine = stack.use(await SystemdMachine.boot(...folders));
  const first = stack.use(await makePod("pod0"));
  const pods = [first, stack.use(await makePod("pod1"))];
  await machine.sh(
    `mkdir -p /etc/default /etc/k8contivnet; cp "$1/intent.json" /etc/k8contivnet
    printf 'K8CONTIVNET_%s\\n' DOCKER=none INTENT=/etc/k8contivnet/intent.json >/etc/default/k8contivnet
    "$2/install.sh" install; systemctl enable --now ${UNIT}`,
    dir,
    old,
  );
  for (const { namespace, name, id } of pods) {
    await machine.sh(`${FILE} setup "$@"`, namespace, name, id);
  }
  /** Runs a step while the pods ping each other; fails if a packet is lost. */
  const step = async (name: string, run: () => Promise<void>) => {
    const isDone = await t.step(name, async () => {
      await using pings = pingOn(first, "10.9.0.2", 0.02);
      await waitFor("pings to be answered", () => pings.answered > 10);
      await run();
      const { last } = pings;
      await waitFor("later pings to be answered", () => pings.last > last + 10);
      assertEquals(pings.missed(), []);
    });
    if (!isDone) throw new Error(`"${name}" failed`);
  };

  await step("from an older version", async () => {
    assertMatch(await machine.sh("./install.sh upgrade"), /upgraded; the new agent answers$/);
    await machine.sh(`cmp dist/k8contivnet ${FILE}`);
  });
  const texts =
    "/usr/share/man/man8/k8contivnet.8 /usr/share/bash-completion/completions/k8contivnet";
  const before = await machine.sh(`sha256sum ${texts}`);
  const assertRestored = async () => {
    await machine.sh(`cmp dist/k8contivnet ${FILE}; k8contivnet status`);
    assertEquals(await machine.property(UNIT, "ActiveState"), "active");
    assertEquals(await machine.sh(`sha256sum ${texts}`), before);
    assertEquals(await machine.sh(`ls -A ${FILE.replace(/\/exec\/.*/, "")}`), "exec");
  };
  for (const [what, tree] of [["hangs", hanging], ["ends", ending]]) {
    await step(`to a version whose agent ${what}`, async () => {
      const { code, err } = await machine.run(`"$1/install.sh" upgrade`, tree!);
      assertEquals(code, 1);
      assertMatch(
        err,
        /the new agent did not answer within 30 s.*; the old file is back, and its agent answers; see/,
      );
      await assertRestored();
    });
  }
  await step("that is interrupted", async () => {
    const { code } = await machine.run(`timeout -s TERM 8 "$1/install.sh" upgrade`, hanging);
    assertEquals(code, 124);
    await waitFor("the old agent to be back", async () => {
      return (await machine.run(`cmp dist/k8contivnet ${FILE} && k8contivnet status`)).code === 0;
    }, { limitMs: 60_000 });
    await assertRestored();
  });
});
