// Measures the ways beyond a pod's own network, in alternation with the one within it: outside by masquerade, a
// service by rules like kube-proxy's with its backend on the same host; the same of a host made by hand, which says
// what this kernel and datapath can do; and setups with and without reach.

import { startCluster } from "../lab/cluster.ts";
import type { ClusterHost } from "../lab/cluster/host.ts";
import { makePod, type Pod } from "../lab/pod.ts";
import { makeOutside, OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { SERVICE_CIDR, writeServiceRules } from "../lab/reach/services.ts";
import { HAND_MADE_OUTSIDE, HAND_MADE_PEER, makeByHand } from "./hand_made.ts";
import { report } from "./report.ts";
import { note, quantile, type Samples, timed } from "./stats.ts";
import { STREAM_PORT, throughput } from "./streams.ts";
import { tenantWith } from "../fixtures/tenant.ts";

const ROUNDS = Number(Deno.args[0] ?? 12);
const SERVICE = "10.96.0.20";
const PEER = "10.9.0.2";
const samples: Samples = new Map();

const INTENT = {
  ServiceCIDR: [SERVICE_CIDR],
  Tenants: [tenantWith({
    Networks: [
      {
        ...{ Name: "open", SubnetCIDR: "10.9.0.0/24", DefaultGw: "10.9.0.254" },
        ...{ GatewayType: "distributed", Reach: ["host", "services", "outside", "ports"] },
        Endpoints: ["client", "server", "late"].map((name, at) => ({
          ...{ Container: `open-${name}`, IpAddress: `10.9.0.${at + 1}` },
        })),
      },
      {
        ...{ Name: "shut", SubnetCIDR: "10.9.1.0/24", DefaultGw: "10.9.1.254" },
        Endpoints: [{ Container: "shut-late" }],
      },
    ],
  })],
};

async function must(host: ClusterHost, verb: "setup" | "teardown", pod: Pod): Promise<void> {
  const { code, err } = await host.agent.verb(verb, pod);
  if (code !== 0) throw new Error(`${verb} of ${pod.name} ended with ${code}: ${err}`);
}

/** Measures the setup of a pod that is torn down again. */
async function setUp(host: ClusterHost, network: string): Promise<void> {
  await using pod = await makePod(`${network}-late`);
  note(samples, `setup, ${network}`, await timed(() => must(host, "setup", pod)));
  await must(host, "teardown", pod);
}

async function main(): Promise<void> {
  await using cluster = await startCluster({ hosts: 1, etcd: 0, intent: INTENT });
  const host = cluster.host(1);
  await using outside = await makeOutside(cluster.hosts);
  await writeServiceRules(host, [{
    ...{ name: "stream", address: SERVICE, protocol: "tcp", port: STREAM_PORT },
    backend: { ip: PEER, port: STREAM_PORT, host: host.label },
  }]);
  const [client, server] = [await host.pod("open-client"), await host.pod("open-server")];
  await must(host, "setup", client);
  await must(host, "setup", server);
  await using byHand = await makeByHand(`${cluster.dir}/byhand`, outside);
  for (let n = 0; n < ROUNDS; n++) {
    console.error(`round ${n + 1} of ${ROUNDS}`);
    note(samples, "pod to pod, MB/s", await throughput(client, server, PEER));
    note(samples, "pod to outside, MB/s", await throughput(client, outside, OUTSIDE_ADDRESS));
    note(samples, "pod to service, MB/s", await throughput(client, server, SERVICE));
    const [from, to] = [byHand.client, byHand.server];
    note(samples, "by hand, pod to pod, MB/s", await throughput(from, to, HAND_MADE_PEER));
    note(
      samples,
      "by hand, pod to outside, MB/s",
      await throughput(from, outside, HAND_MADE_OUTSIDE),
    );
    for (const network of n % 2 === 0 ? ["shut", "open"] : ["open", "shut"]) {
      for (let times = 0; times < 3; times++) await setUp(host, network);
    }
  }
  const p50 = (name: string) => quantile(samples, name, 0.5);
  const part = (name: string, of = "pod to pod") => p50(`${name}, MB/s`) / p50(`${of}, MB/s`);
  await report("reach", "reach_samples.json", {
    samples,
    ratios: [
      { what: "pod to outside ÷ pod to pod, MB/s", value: part("pod to outside"), least: 0.9 },
      {
        what: "pod to outside ÷ the same by hand, MB/s",
        value: part("pod to outside", "by hand, pod to outside"),
        least: 0.9,
      },
      {
        what: "by hand: pod to outside ÷ pod to pod, MB/s",
        value: part("by hand, pod to outside", "by hand, pod to pod"),
      },
      { what: "pod to service ÷ pod to pod, MB/s", value: part("pod to service"), least: 0.7 },
      {
        what: "setup with reach ÷ without",
        value: p50("setup, open") / p50("setup, shut"),
        goal: 1.1,
      },
    ],
  });
}

await main();
