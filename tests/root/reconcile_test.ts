// Whatever differs between what should be and what is, is found and repaired within 5 s, and nothing
// else is touched: two other pods ping each other meanwhile, and their rows stay the same ones.

import { assertEquals } from "@std/assert";
import { run } from "../lab/run.ts";
import { type Host, intentOf, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { lostPings } from "../lab/pings.ts";

const LIMIT_MS = 5_000;

/** Three pods: what is broken is the last one's, the other two ping each other. */
interface Scene {
  readonly host: Host;
  readonly pod: Pod;
  /** Host end of that pod's link. */
  readonly end: string;
}

/** One way to break something. */
interface Damage {
  readonly what: string;
  readonly hit: (scene: Scene) => Promise<unknown>;
  readonly isRepaired: (scene: Scene) => Promise<boolean>;
  /** The other two may miss packets: what they share was taken away. */
  readonly isShared?: true;
}

const pings = ({ pod }: Scene) => pod.pings("10.9.0.1");

async function says(pod: Pod, words: string): Promise<string> {
  return (await pod.run("ip", ...words.split(" "))).text;
}

const inPod = (...words: string[]) => ({ pod }: Scene) => pod.run("ip", ...words);
const podHas = (words: string, text: RegExp) => async ({ pod }: Scene) =>
  text.test(await says(pod, words));

const DAMAGES: readonly Damage[] = [
  {
    what: "its port's row deleted",
    hit: ({ host, end }) => host.ovs.vsctl("del-port", "contivBridge", end),
    isRepaired: pings,
  },
  {
    what: "its port's tag changed",
    hit: ({ host, end }) => host.ovs.vsctl("set", "Port", end, "tag=77"),
    isRepaired: pings,
  },
  {
    what: "its port's row without its owner's mark",
    hit: ({ host, end }) => host.ovs.vsctl("remove", "Port", end, "external_ids", "pod"),
    isRepaired: async (scene) =>
      await pings(scene) &&
      (await scene.host.ovs.vsctl("find", "Port", "external_ids:pod=pod2")).includes(scene.end),
  },
  {
    what: "its link deleted on the host",
    hit: ({ end }) => run("ip", ["link", "del", end]),
    isRepaired: pings,
  },
  { what: "its link deleted in the pod", hit: inPod("link", "del", "eth0"), isRepaired: pings },
  {
    what: "its link switched off on the host",
    hit: ({ end }) => run("ip", ["link", "set", end, "down"]),
    isRepaired: pings,
  },
  {
    what: "its link switched off in the pod",
    hit: inPod("link", "set", "eth0", "down"),
    isRepaired: pings,
  },
  {
    what: "its link renamed in the pod",
    hit: async ({ pod }) => {
      await says(pod, "link set eth0 down");
      await says(pod, "link set eth0 name mine");
      await says(pod, "link set mine up");
    },
    isRepaired: async (scene) => await podHas("-br link", /^eth0/m)(scene) && await pings(scene),
  },
  {
    what: "its address removed",
    hit: inPod("address", "flush", "dev", "eth0"),
    isRepaired: async (scene) => await pings(scene) && await podHas("-4 route", /default/)(scene),
  },
  {
    what: "its default route removed",
    hit: inPod("route", "del", "default"),
    isRepaired: podHas("-4 route", /default via 10\.9\.255\.254/),
  },
  {
    what: "its MTU changed",
    hit: inPod("link", "set", "eth0", "mtu", "900"),
    isRepaired: podHas("link show eth0", /mtu 1500/),
  },
  {
    what: "its flows deleted",
    hit: async ({ host, end }) => {
      const number = (await host.ovs.vsctl("get", "Interface", end, "ofport")).trim();
      await host.ovs.ofctl("del-flows", "contivBridge", `in_port=${number}`);
    },
    isRepaired: pings,
  },
  {
    what: "a flow of ours added that is not wanted",
    hit: ({ host, end }) =>
      host.ovs.ofctl(
        "add-flow",
        "contivBridge",
        "cookie=0x6b38000100000001,priority=200,arp,actions=drop",
      ).then(() => end),
    isRepaired: async ({ host }) =>
      !(await host.ovs.ofctl("dump-flows", "contivBridge")).includes("priority=200"),
    isShared: true,
  },
  {
    what: "all flows deleted",
    hit: ({ host }) => host.ovs.ofctl("del-flows", "contivBridge"),
    isRepaired: pings,
    isShared: true,
  },
  {
    what: "the bridge deleted",
    hit: ({ host }) => host.ovs.vsctl("del-br", "contivBridge"),
    isRepaired: pings,
    isShared: true,
  },
  {
    what: "the bridge open to all by default",
    hit: ({ host }) => host.ovs.vsctl("set-fail-mode", "contivBridge", "standalone"),
    isRepaired: async ({ host }) =>
      (await host.ovs.vsctl("get-fail-mode", "contivBridge")).trim() === "secure",
    isShared: true,
  },
  {
    what: "the database emptied",
    hit: ({ host }) => host.ovs.vsctl("clear", "Open_vSwitch", ".", "bridges"),
    isRepaired: pings,
    isShared: true,
  },
  {
    what: "its record deleted from the store's file",
    hit: async ({ host, pod }) => {
      const { DatabaseSync } = await import("node:sqlite");
      const database = new DatabaseSync(`${host.agent.stateDir}/store.db`);
      database.prepare("DELETE FROM documents WHERE key LIKE ?").run(`%attachments/%/${pod.id}/%`);
      database.close();
    },
    isRepaired: async ({ host, pod }) => {
      const { DatabaseSync } = await import("node:sqlite");
      const path = `${host.agent.stateDir}/store.db`;
      const database = new DatabaseSync(path, { readOnly: true });
      const found = database.prepare("SELECT value FROM documents WHERE key LIKE ?")
        .all(`%attachments/%/${pod.id}/%`);
      database.close();
      return found.length === 1 && String(found[0]?.value).includes('"ready"');
    },
  },
  {
    what: "a stranger's port and link under our name",
    hit: async ({ host }) => {
      await run("ip", ["link", "add", "cvffffffffff0", "type", "veth", "peer", "name", "far0"]);
      await run("ip", ["link", "set", "cvffffffffff0", "alias", "k8contivnet:ffffffffff0 a/b c/d"]);
      const ids = ["external_ids:k8contivnet=host1", "tag=100"];
      await host.ovs.vsctl("add-port", "contivBridge", "cvffffffffff0", ...ids);
    },
    isRepaired: async ({ host }) =>
      !(await host.ovs.vsctl("list-ports", "contivBridge")).includes("cvffffffffff0") &&
      !(await run("ip", ["-br", "link"])).includes("cvffffffffff0"),
  },
];

/** Rows of the two pods that nothing happens to: who has the same ones was not touched. */
async function rowsOf(host: Host, pods: readonly Pod[]): Promise<string> {
  const rows = await host.ovs.vsctl(
    ...["--format=csv", "--no-headings", "--columns=_uuid,name,external_ids", "list", "Port"],
  );
  return rows.split("\n").filter((row) => pods.some(({ id }) => row.includes(id))).sort().join();
}

/** Intent with a gateway, so that there is a default route to be lost. */
function intentWithGateway(): unknown {
  const intent = intentOf(3) as { Tenants: { Networks: Record<string, unknown>[] }[] };
  intent.Tenants[0]!.Networks[0]!.DefaultGw = "10.9.255.254";
  return intent;
}

Deno.test("whatever is broken by hand is repaired within 5 s, and nothing else is touched", async (t) => {
  await using host = await startHost(intentWithGateway(), "--log-level", "debug");
  const pods = [await host.pod("pod0"), await host.pod("pod1"), await host.pod("pod2")];
  for (const pod of pods) await host.agent.setup(pod);
  const [one, two, pod] = pods as [Pod, Pod, Pod];
  for (const { what, hit, isRepaired, isShared } of DAMAGES) {
    await t.step(what, async () => {
      const find = ["--bare", "--columns=name", "find", "Port", `external_ids:sandbox=${pod.id}`];
      const scene = { host, pod, end: (await host.ovs.vsctl(...find)).trim() };
      const rows = await rowsOf(host, [one, two]);
      const pinging = lostPings(one, "10.9.0.2", { count: 100 });
      await hit(scene);
      const started = performance.now();
      const limits = { limitMs: LIMIT_MS };
      await waitFor(what, () => isRepaired(scene), limits).catch(async ({ message }) => {
        const log = (await host.agent.logText()).split("\n").slice(-15).join("\n");
        throw new Error(`${message}\n${log}`);
      });
      console.log(`repaired after ${Math.round(performance.now() - started)} ms: ${what}`);
      const lost = await pinging;
      if (!isShared) {
        assertEquals(lost, []);
        assertEquals(await rowsOf(host, [one, two]), rows);
      }
      await waitFor("all to be served", async () => {
        const states = (await host.agent.attachments()).map(({ state }) => state);
        return `${states}` === "ready,ready,ready" && await pod.pings("10.9.0.2") &&
          await one.pings("10.9.0.2");
      }, limits);
    });
  }
});
