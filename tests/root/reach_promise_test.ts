// The promise beyond a pod's own network: after `setup` returned 0, the very first packet to its gateway, its node,
// a service and the world outside is answered.

import { assertEquals } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { startCluster } from "../lab/cluster.ts";
import { FACTOR } from "../lab/limits.ts";
import { PING_LIMIT, type Pod } from "../lab/pod.ts";
import { makeOutside, OUTSIDE_ADDRESS } from "../lab/reach/outside.ts";
import { SERVICE_CIDR, writeServiceRules } from "../lab/reach/services.ts";
import { Talker } from "../lab/talk.ts";
import { run } from "../lab/run.ts";

const TRIALS = 200;
const GATEWAY = "10.9.0.254";
const [VIP, SERVER, PORT] = ["10.96.0.10", "10.9.0.1", 53];
const SECONDS = String(Math.ceil(FACTOR));

const INTENT = {
  ServiceCIDR: [SERVICE_CIDR],
  Tenants: [tenantWith({
    Networks: [{
      ...{ Name: "blue", SubnetCIDR: "10.9.0.0/24", DefaultGw: GATEWAY },
      ...{ GatewayType: "distributed", Reach: ["host", "services", "outside"] },
      Endpoints: [{ Container: "server", IpAddress: SERVER }, { Container: "pod" }],
    }],
  })],
};

/** Sends one datagram, and prints what comes back. */
const DATAGRAM = `exec 3<>/dev/udp/${VIP}/${PORT}; printf who >&3
  read -r -t ${SECONDS} -N 6 -u 3 answer; echo "$answer"`;

/** Sends one packet; reports whether it is answered. */
const PACKETS: Readonly<Record<string, (pod: Pod, node: string) => Promise<boolean>>> = {
  "its gateway": async (pod) => {
    const words = ["arping", "-f", "-c1", `-w${SECONDS}`, "-I", "eth0", GATEWAY];
    return (await pod.run("busybox", ...words)).code === 0;
  },
  "its node": async (pod, node) =>
    (await pod.run("ping", "-c1", PING_LIMIT, "-q", node)).code === 0,
  "a service": async (pod) => (await pod.run("bash", "-c", DATAGRAM)).text.trim() === "server",
  "the world outside": (pod) => pod.pings(OUTSIDE_ADDRESS),
};

Deno.test("the first packet after setup is answered", async (t) => {
  await using cluster = await startCluster({ hosts: 1, etcd: 0, intent: INTENT });
  const host = cluster.host(1);
  await using _outside = await makeOutside(cluster.hosts);
  await writeServiceRules(host, [{
    ...{ name: "dns", address: VIP, protocol: "udp", port: PORT },
    backend: { ip: SERVER, port: PORT, host: host.label },
  }]);
  const server = await host.pod("server");
  await host.agent.setup(server);
  await using _talker = await Talker.start(server, { udp: [PORT] });
  const text = await run("ip", ["-n", host.netns, "-4", "-br", "address", "show", "contivHost"]);
  const node = /\/32 ([\d.]+)\/32/.exec(text)?.[1] ?? "none";
  for (const [what, isAnswered] of Object.entries(PACKETS)) {
    await t.step(`to ${what}, ${TRIALS} of ${TRIALS} times`, async () => {
      let answered = 0;
      for (let trial = 0; trial < TRIALS; trial++) {
        await using pod = await host.pod("pod");
        await host.agent.setupByFile(pod);
        if (await isAnswered(pod, node)) answered++;
        assertEquals((await host.agent.verb("teardown", pod)).code, 0);
      }
      assertEquals(answered, TRIALS);
    });
  }
});
