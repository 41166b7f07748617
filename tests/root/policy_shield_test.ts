// Attempts to bypass a policy that fail: other addresses to the pod's link, broadcasts, IPv6, and what a
// neighbour claims to be an answer.

import { assertEquals } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { run } from "../lab/run.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { type Host, startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

const INTENT = {
  Tenants: [tenantWith({
    Groups: [{ Name: "web", Network: "blue", Policies: ["p1"] }],
    Policies: [{ Name: "p1", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }],
    Networks: [{
      Name: "blue",
      Endpoints: [{ Container: "web", Group: "web" }, { Container: "other" }],
    }],
  })],
};

const WEB = { mac: "02:02:0a:09:00:01", ip: "10.9.0.1" };
const OTHER = { mac: "02:02:0a:09:00:02", ip: "10.9.0.2" };

/** Sends a frame, whose flow is in ovs-ofctl's words, out of the port of `mac`, as its pod would. */
async function send({ ovs }: Host, mac: string, words: string): Promise<void> {
  const bridge = `unix:${ovs.rundir}/contivBridge.mgmt`;
  const flows = await run("ovs-ofctl", ["-OOpenFlow14", "dump-flows", bridge, "table=0"]);
  const port = new RegExp(`,in_port="?([^",]+)"?,.*dl_src=${mac}`).exec(flows)?.[1];
  const dump = await run("ovs-ofctl", ["compose-packet", words]);
  const bytes = dump.split("\n").map((line) => line.slice(10, 57).replace(/[^0-9a-f]/g, ""));
  const out = `in_port=${port} packet=${bytes.join("")} actions=resubmit(,0)`;
  await run("ovs-ofctl", ["-OOpenFlow14", "packet-out", bridge, out]);
}

const ways = [
  {
    name: "a broadcast",
    words: "dl_dst=ff:ff:ff:ff:ff:ff,udp,nw_dst=255.255.255.255,udp_src=40000,udp_dst=9",
  },
  {
    name: "a multicast",
    words: "dl_dst=01:00:5e:00:00:fb,udp,nw_dst=224.0.0.251,udp_src=40000,udp_dst=9",
  },
  {
    name: "the subnet's broadcast to its MAC",
    words: `dl_dst=${WEB.mac},udp,nw_dst=10.9.0.255,udp_src=40000,udp_dst=9`,
  },
  {
    name: "another address to its MAC",
    words: `dl_dst=${WEB.mac},udp,nw_dst=10.77.0.1,udp_src=40000,udp_dst=9`,
  },
  {
    name: "its own address",
    words: `dl_dst=${WEB.mac},udp,nw_dst=${WEB.ip},udp_src=40000,udp_dst=9`,
  },
  {
    name: "its own address to all",
    words: `dl_dst=ff:ff:ff:ff:ff:ff,udp,nw_dst=${WEB.ip},udp_src=40000,udp_dst=9`,
  },
  {
    name: "what looks like an answer of TCP, to a low port",
    words: `dl_dst=${WEB.mac},tcp,nw_dst=${WEB.ip},tcp_src=40000,tcp_dst=80,tcp_flags=ack`,
  },
  {
    name: "a beginning of TCP that looks like an answer by its ports",
    words: `dl_dst=${WEB.mac},tcp,nw_dst=${WEB.ip},tcp_src=80,tcp_dst=40000,tcp_flags=syn`,
  },
  {
    name: "what looks like an answer of UDP",
    words: `dl_dst=${WEB.mac},udp,nw_dst=${WEB.ip},udp_src=53,udp_dst=40000`,
  },
  { name: "SCTP", words: `dl_dst=${WEB.mac},sctp,nw_dst=${WEB.ip},sctp_src=36,sctp_dst=36` },
  { name: "a protocol without ports", words: `dl_dst=${WEB.mac},ip,nw_proto=47,nw_dst=${WEB.ip}` },
];

Deno.test("nothing that a neighbour may send reaches a pod that is closed, whatever it is addressed to", async () => {
  await using host = await startHost(INTENT);
  const [web, other] = [await host.pod("web"), await host.pod("other")];
  await host.agent.setup(web);
  await host.agent.setup(other);
  const from = `dl_src=${OTHER.mac},nw_src=${OTHER.ip},nw_ttl=64`;
  await using sniffer = await sniff(web.id, "eth0", `ether src ${OTHER.mac} and (ip or ip6)`);
  for (const { words } of ways) await send(host, OTHER.mac, `${words},${from}`);
  const inSixth = `dl_dst=${WEB.mac},dl_src=${OTHER.mac},ipv6,ipv6_src=fe80::2,ipv6_dst=fe80::1`;
  await send(host, OTHER.mac, inSixth);
  assertEquals(sniffer.lines(), []);
  // The same sender, by the same means, is heard by who has no policy.
  await using ear = await sniff(other.id, "eth0", "udp");
  await send(
    host,
    WEB.mac,
    `dl_dst=${OTHER.mac},udp,nw_dst=${OTHER.ip},udp_src=40000,udp_dst=9,dl_src=${WEB.mac},nw_src=${WEB.ip},nw_ttl=64`,
  );
  await waitFor("the control packet", () => ear.lines().length === 1);
  // An error that belongs to the pod's own packet may come back, and nothing else.
  assertEquals(sniffer.lines().filter((line) => !line.includes("unreachable")), []);
});
