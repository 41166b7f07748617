// Ways to break what hosts share, for `doctor` on the first of two hosts: wire, tunnel addresses, clocks, etcd's members.

import type { Cluster } from "./cluster.ts";
import { managementAddress } from "./cluster/fabric.ts";
import { UNDERLAY } from "./cluster/host.ts";
import { type Broken, examine, idsOf, type Patient } from "./doctor.ts";
import type { Etcd } from "./etcd.ts";
import type { Pod } from "./pod.ts";
import { run } from "./run.ts";
import { waitFor } from "./wait.ts";

/** Two hosts with a wire, an etcd of three members, and a pod on each. */
export interface ClusterPlace extends Patient {
  readonly cluster: Cluster;
  readonly etcd: Etcd;
  readonly pods: readonly Pod[];
}

/** Below this are the documents of a lab's cluster. */
const ROOT = "/lab";

/** Writes a document that no agent of the lab has written, until it is mended. */
async function withDocument(etcd: Etcd, key: string, value: unknown) {
  await etcd.write(new Map([[`${ROOT}/${key}`, JSON.stringify(value)]]));
  return () => etcd.ctl("del", `${ROOT}/${key}`);
}

/** Writes the heartbeat of a host9 whose clock differs by so many seconds. */
function withBeat({ etcd }: ClusterPlace, seconds: number) {
  const at = new Date(Date.now() + 1_000 * seconds).toISOString();
  const self = { schema: 1, host: "host9", instance: "0123456789abcdef", version: "0.1.0" };
  return withDocument(etcd, "agents/host9", { ...self, beat: 1, at, everyMs: 1_000 });
}

const inHost = (n: number, ...words: string[]) => run("ip", ["-n", `h${n}`, ...words]);

/** In this order: the last ones are not mended. */
export const BROKEN_CLUSTERS: readonly Broken<ClusterPlace>[] = [
  {
    what: "a hop with a smaller MTU between tunnel addresses",
    make: async () => {
      await run("ip", ["link", "set", "wire2", "mtu", "1300"]);
      return () => run("ip", ["link", "set", "wire2", "mtu", "1500"]);
    },
    finds: "failed mtu",
    says: /packets of \d+ bytes do not reach host2 .*, small ones do; a hop between/,
  },
  {
    what: "a host that does not have its tunnel address",
    make: async ({ cluster }) => {
      const words = [`${cluster.host(1).vtep}/24`, "dev", UNDERLAY];
      await inHost(1, "address", "delete", ...words);
      return () => inHost(1, "address", "add", ...words);
    },
    finds: "failed vtep",
    says: /does not have its tunnel address .*; add it to a link/,
  },
  {
    what: "another host with this host's tunnel address",
    make: ({ cluster, etcd }) =>
      withDocument(etcd, "hosts/host9", {
        ...{ schema: 1, name: "host9", vtepIp: cluster.host(1).vtep },
      }),
    finds: "failed vtep",
    says: /host host9 has the same tunnel address .*; each host needs its own/,
  },
  {
    what: "another way out to a tunnel address, with a strict filter of reverse paths",
    make: async ({ cluster }) => {
      const strict = (value: number) =>
        run("ip", [
          ...["netns", "exec", "h1", "sysctl", "-qw"],
          `net/ipv4/conf/${UNDERLAY}/rp_filter=${value}`,
        ]);
      const route = [`${cluster.host(2).vtep}/32`, "via", managementAddress(2)];
      await strict(1);
      await inHost(1, "route", "add", ...route);
      return async () => {
        await inHost(1, "route", "delete", ...route);
        await strict(0);
      };
    },
    finds: "failed tunnel-route",
    says: /host2 .* leave by mgmt0, .*rp_filter=1.*; ip route replace/,
  },
  {
    what: "a clock of another host that is ahead",
    make: (place) => withBeat(place, 600),
    finds: "warning clock-skew",
    says: /clock of host host9 is \d+ s ahead of this one; let all hosts follow/,
  },
  {
    what: "a clock of another host that is behind, or a host that is silent",
    make: (place) => withBeat(place, -600),
    finds: "warning silent-host",
    says: /host9 wrote its last heartbeat at .*; .*compare clocks.*gc --host host9/,
  },
  {
    what: "a firewall between hosts that drops tunnels' packets",
    make: async (place) => {
      const { cluster, agent, pods } = place;
      await run("nft", ["add", "table", "bridge", "doctor"]);
      await run("nft", [
        ...["add", "chain", "bridge", "doctor", "forward"],
        "{ type filter hook forward priority 0 ; }",
      ]);
      await run("nft", [
        "add",
        "rule",
        "bridge",
        "doctor",
        "forward",
        "udp",
        "dport",
        "4789",
        "drop",
      ]);
      // Its counters begin anew.
      await cluster.host(1).restartVswitchd();
      const [peer] = await cluster.host(2).agent.attachments();
      const address = peer!.addresses[0]!.split("/")[0]!;
      // Else the pod asks only for the address, once a second.
      await pods[0]!.run("ip", "neigh", "replace", address, "lladdr", peer!.mac, "dev", "eth0");
      await waitFor("the tunnel to be silent", async () => {
        await pods[0]!.run("ping", "-q", "-i0.01", "-c250", "-W1", address);
        return idsOf(await examine({ agent, netns: "h1" }), "warning").includes("tunnel-silent");
      }, { limitMs: 60_000 });
      return () => run("nft", ["delete", "table", "bridge", "doctor"]);
    },
    finds: "warning tunnel-silent",
    says: /sent \d+ packets and received none, though host2 has pods .*; .*UDP port 4789/,
  },
  {
    what: "a dead member of etcd",
    make: async ({ etcd }) => {
      await etcd.kill(2);
      return async () => {
        await etcd.start(2);
        await etcd.isHealthy();
      };
    },
    finds: "warning etcd-members",
    says: /1 of 3 members of etcd do not answer: .*; check whether etcd runs there/,
  },
  {
    what: "an etcd without a majority",
    make: async ({ etcd }) => {
      await etcd.kill(1);
      await etcd.kill(2);
      return () => etcd.startAll();
    },
    finds: "failed store",
    says: /etcd store cannot be used.*; check/,
  },
  {
    what: "a host whose power was cut",
    make: async (place) => {
      await place.cluster.host(2).agent.stop("SIGKILL");
      await waitFor("host2 to be silent", async () => {
        const { answer } = await examine(place);
        return answer.checks.some(({ id, message }) =>
          id === "silent-host" && message.includes("host2")
        );
      }, { limitMs: 30_000 });
      return () => Promise.resolve();
    },
    finds: "warning silent-host",
    says: /host host2 wrote its last heartbeat .*; start its agent .*gc --host host2/,
  },
];
