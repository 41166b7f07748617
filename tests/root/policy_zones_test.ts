// A network's zone of the connection tracker has the number of its access tag. When the tag is given to
// another network, nothing that was tracked before makes a packet an answer there.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { sniff } from "../lab/cluster/sniff.ts";
import { type Host, startHost } from "../lab/host.ts";
import type { Pod } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";

const [ASKING, ASKED] = [40_000, 50_000];

function intentWith(network: string, encap: string): unknown {
  return {
    Tenants: [tenantWith({
      DefaultNetType: encap,
      // One VLAN is left for hosts to tag VXLAN networks locally: whichever comes next gets it.
      ...{ Vlans: "1-4093", Vxlans: "10001-10100" },
      Groups: [{ Name: `shut-${network}`, Network: network, Policies: ["p1"] }],
      Policies: [{ Name: "p1", Rules: [{ Id: "1", Direction: "in", Action: "deny" }] }],
      Networks: [{
        Name: network,
        Endpoints: [
          { Container: `asker-${network}`, Group: `shut-${network}` },
          { Container: `asked-${network}` },
        ],
      }],
    })],
  };
}

interface Two {
  readonly asker: Pod;
  readonly asked: Pod;
  readonly askerIp: string;
  readonly askedIp: string;
  readonly tag: string;
}

async function twoPods(host: Host, network: string): Promise<Two> {
  const [asker, asked] = [
    await host.pod(`asker-${network}`),
    await host.pod(`asked-${network}`),
  ];
  await setUpWhenFree(host, asker);
  await setUpWhenFree(host, asked);
  const [askerIp, askedIp] = [
    await host.agent.addressOf(asker),
    await host.agent.addressOf(asked),
  ];
  const tags = await host.ovs.vsctl("--columns=tag", "--bare", "find", "Port", "tag>0");
  return {
    asker,
    asked,
    askerIp,
    askedIp,
    tag: [...new Set(tags.split("\n").filter(Boolean))].join(),
  };
}

/** The only local VLAN is the former network's until the agent has looked: this is reported, and it ends. */
async function setUpWhenFree({ agent }: Host, pod: Pod): Promise<void> {
  await waitFor("the former network's tag to be free", async () => {
    const { code, err } = await agent.verb("setup", pod);
    if (code !== 0) assertMatch(err, /no local VLAN left for t\/green: /);
    return code === 0;
  }, { limitMs: 60_000 });
}

/** Sends one datagram from a port to a port. */
async function says(pod: Pod, from: number, ip: string, to: number): Promise<void> {
  const script =
    `const socket = Deno.listenDatagram({ transport: "udp", hostname: "0.0.0.0", port: ${from} });` +
    `await socket.send(new Uint8Array(5), { transport: "udp", hostname: "${ip}", port: ${to} });`;
  const { code, text } = await pod.run(Deno.execPath(), "eval", "--unstable-net", script);
  assertEquals(code, 0, text);
}

async function netdcli(host: Host, flag: string, document: unknown): Promise<void> {
  await Deno.writeTextFile(`${host.dir}/next.json`, JSON.stringify(document));
  const { code, err } = await host.agent.call("netdcli", flag, `${host.dir}/next.json`);
  assertEquals(code, 0, err);
}

const kinds = [
  { encap: "vlan", between: "at once" },
  { encap: "vxlan", between: "at once" },
  { encap: "vlan", between: "with the agent killed before" },
] as const;

for (const { encap, between } of kinds) {
  Deno.test(`a ${encap} network that gets a former network's tag ${between} inherits no connection of it`, async () => {
    await using host = await startHost(intentWith("blue", encap));
    const before = await twoPods(host, "blue");
    await using early = await sniff(before.asker.id, "eth0", `udp dst port ${ASKING}`);
    await says(before.asker, ASKING, before.askedIp, ASKED);
    await says(before.asked, ASKED, before.askerIp, ASKING);
    await early.hears(String(ASKING)); // an answer, as the tracker knows who asked
    for (const pod of [before.asker, before.asked]) {
      assertEquals((await host.agent.verb("teardown", pod)).code, 0);
    }
    if (between !== "at once") await host.agent.stop("SIGKILL");
    if (between !== "at once") await host.agent.start();
    const tenant = (more: unknown) => ({ Tenants: [{ Name: "t", ...more as object }] });
    const endpoints = ["asker-blue", "asked-blue"].map((Container) => ({ Container }));
    await netdcli(host, "-del-cfg", tenant({ Networks: [{ Name: "blue", Endpoints: endpoints }] }));
    await netdcli(host, "-add-cfg", tenant({ Groups: [], Networks: [] }));
    await netdcli(host, "-del-cfg", tenant({ Networks: [{ Name: "blue" }] }));
    await netdcli(host, "-add-cfg", intentWith("green", encap));
    const after = await twoPods(host, "green");
    const same = ({ askerIp, askedIp, tag }: Two) => ({ askerIp, askedIp, tag });
    assertEquals(same(after), same(before), "no number was given again, so nothing is shown");
    await using late = await sniff(after.asker.id, "eth0", `udp dst port ${ASKING}`);
    await says(after.asked, ASKED, after.askerIp, ASKING);
    await waitFor("the drop to be counted", async () => {
      const { out } = await host.agent.call("get", "policy", "t/p1", "-o", "json");
      return late.lines().length > 0 || (JSON.parse(out)[0].drops as number) > 0;
    });
    assertEquals(late.lines(), [], "what no pod asked for came in as an answer");
    // The ear was there: it hears what is an answer.
    await says(after.asker, ASKING, after.askedIp, ASKED);
    await says(after.asked, ASKED, after.askerIp, ASKING);
    await late.hears(String(ASKING));
    assert(late.lines().length > 0);
  });
}
