// What may happen during a soak. A table: each act has a weight and does one thing to the cluster and
// to the belief of it.

import { assertEquals } from "@std/assert";
import { run } from "../run.ts";
import { oneOf } from "../random.ts";
import type { Soak } from "./soak.ts";
import { waitFor } from "../wait.ts";

/** One act; does nothing where it finds nothing to act on. */
export interface Act {
  readonly name: string;
  /** How often, against the others. */
  readonly weight: number;
  readonly run: (soak: Soak) => Promise<void>;
}

const CROWD = 5;

export const ACTS: readonly Act[] = [
  {
    name: "a pod starts",
    weight: 6,
    run: async (soak) => {
      for (const name of soak.someAbsent(1)) await soak.setUp(name, soak.someHost());
    },
  },
  {
    name: "pods start at once",
    weight: 3,
    run: async (soak) => {
      await Promise.all(soak.someAbsent(CROWD).map((name) => soak.setUp(name, soak.someHost())));
    },
  },
  {
    name: "pods start while their agent is killed",
    weight: 2,
    run: async (soak) => {
      const host = soak.cluster.host(1);
      const starting = Promise.all(soak.someAbsent(CROWD).map((name) => soak.setUp(name, host)));
      await pause(soak.random() * 150);
      await host.restartAgent("SIGKILL");
      await starting;
    },
  },
  {
    name: "a pod ends",
    weight: 4,
    run: (soak) => onPlaced(soak, (name) => soak.tearDown(name)),
  },
  {
    name: "a pod is gone without a word",
    weight: 2,
    run: (soak) => onPlaced(soak, (name) => soak.forget(name)),
  },
  {
    name: "an infra container is replaced without a teardown",
    weight: 2,
    run: (soak) =>
      onPlaced(soak, async (name) => {
        const { host, pod } = soak.placed.get(name)!;
        await pod[Symbol.asyncDispose]();
        await soak.setUp(name, host);
      }),
  },
  {
    name: "a pod moves to another host",
    weight: 2,
    run: (soak) =>
      onPlaced(soak, async (name) => {
        const { host, pod } = soak.placed.get(name)!;
        const other = soak.cluster.hosts.find((one) => one !== host)!;
        await soak.setUp(name, other);
        await pod[Symbol.asyncDispose]();
      }),
  },
  {
    name: "a pod is torn down twice",
    weight: 1,
    run: (soak) =>
      onPlaced(soak, async (name) => {
        const { host, pod } = soak.placed.get(name)!;
        await soak.tearDown(name);
        assertEquals((await host.agent.verb("teardown", pod)).code, 0);
      }),
  },
  {
    name: "the first agent is killed",
    weight: 1,
    run: (soak) => soak.cluster.host(1).restartAgent("SIGKILL"),
  },
  {
    name: "the first agent is restarted",
    weight: 1,
    run: (soak) => soak.cluster.host(1).restartAgent(),
  },
  {
    name: "ovs-vswitchd is killed",
    weight: 1,
    run: (soak) => soak.someHost().restartVswitchd("kill"),
  },
  {
    name: "ovs-vswitchd is restarted",
    weight: 1,
    run: (soak) => soak.someHost().restartVswitchd("stop"),
  },
  {
    name: "ovsdb-server is killed",
    weight: 1,
    run: async (soak) => {
      const { ovs } = soak.someHost();
      await ovs.killOvsdb();
      await ovs.startOvsdb();
    },
  },
  { name: "etcd is restarted", weight: 1, run: (soak) => soak.cluster.etcd!.restart() },
  {
    name: "dockerd is killed",
    weight: 1,
    run: async ({ dockerd }) => {
      await dockerd.kill();
      await dockerd.start();
    },
  },
  {
    name: "pods start while dockerd hangs",
    weight: 1,
    run: async (soak) => {
      soak.dockerd.freeze();
      try {
        await Promise.all(soak.someAbsent(2).map((name) => soak.setUp(name, soak.someHost())));
      } finally {
        soak.dockerd.thaw();
      }
    },
  },
  {
    name: "an operator deletes a port",
    weight: 1,
    run: (soak) =>
      onPlaced(soak, async (name) => {
        const { ovs } = soak.placed.get(name)!.host;
        await ovs.vsctl("del-port", "contivBridge", await soak.portOf(name));
      }),
  },
  {
    name: "an operator deletes a link",
    weight: 1,
    run: (soak) =>
      onPlaced(soak, async (name) => {
        const { netns } = soak.placed.get(name)!.host;
        // The agent may be about to make it anew, after the act before.
        await waitFor("the link to be there to be deleted", async () => {
          const remove = ["-n", netns, "link", "del", await soak.portOf(name)];
          return await run("ip", remove).then(() => true, () => false);
        });
      }),
  },
];

/** Chooses an act by weight. */
export function someAct(random: () => number): Act {
  return oneOf(random, ACTS.flatMap((act) => Array.from({ length: act.weight }, () => act)))!;
}

async function onPlaced(soak: Soak, act: (name: string) => Promise<void>): Promise<void> {
  const name = soak.somePlaced();
  if (name !== undefined) await act(name);
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
