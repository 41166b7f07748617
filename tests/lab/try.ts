// `./install.sh try`: the main job on this machine alone, in the lab. Open vSwitch, one agent with the
// guide's late_bindings intent and a second tenant on the same subnet, six pods, pings that must be
// answered and pings that must not; then a host with a world outside, and two pods of which one may reach
// it. Ends with 1 if any expectation fails.
// Run inside in_lab.sh: deno run -A tests/lab/try.ts dist/k8contivnet

import { LabAgent } from "./agent.ts";
import { startCluster } from "./cluster.ts";
import { startOvs } from "./ovs.ts";
import { makePod, type Pod, podAt } from "./pod.ts";
import { makeOutside, OUTSIDE_ADDRESS } from "./reach/outside.ts";

const GUIDE = new URL(
  "../fixtures/intents/late_bindings/multiple_vxlan_nets.json",
  import.meta.url,
);

/** A tenant with the same subnet as the guide's tenant: they may overlap, but never reach each other. */
const SECOND_TENANT = {
  Tenants: [{
    Name: "tenant-two",
    DefaultNetType: "vlan",
    SubnetPool: "11.1.0.0/16",
    AllocSubnetLen: 24,
    Vlans: "11-28",
    Networks: [{ Name: "green", Endpoints: [{ Container: "green1" }, { Container: "green2" }] }],
  }],
};

/** Two networks with the host as their gateway; the pods of one may use it for what is outside. */
const REACH = {
  Tenants: [{
    Name: "tenant-three",
    DefaultNetType: "vlan",
    SubnetPool: "10.7.0.0/16",
    AllocSubnetLen: 24,
    Vlans: "100-110",
    GatewayType: "distributed",
    Networks: [
      {
        ...{ Name: "open", SubnetCIDR: "10.7.1.0/24", DefaultGw: "10.7.1.254" },
        ...{ Reach: ["outside"], Endpoints: [{ Container: "open1" }] },
      },
      {
        ...{ Name: "shut", SubnetCIDR: "10.7.2.0/24", DefaultGw: "10.7.2.254" },
        Endpoints: [{ Container: "shut1" }],
      },
    ],
  }],
};

let failures = 0;

function say(line = ""): void {
  console.log(line);
}

/** Prints one expectation and whether it is met. */
function expectation(what: string, isMet: boolean): void {
  if (!isMet) failures++;
  say(`  ${isMet ? "ok    " : "FAILED"}  ${what}`);
}

async function ping(
  from: Pod,
  to: Pod,
  address: string,
  wanted: boolean,
  note = "",
): Promise<void> {
  const answered = await from.pings(address);
  expectation(
    `${from.name} -> ${to.name} (${address}) ${wanted ? "is answered" : "is not answered"}${note}`,
    answered === wanted,
  );
}

async function main(file: string): Promise<void> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-try-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  say("starting a private Open vSwitch and the agent of host1");
  const ovs = stack.use(await startOvs(`${dir}/ovs`));
  const agent = stack.use(new LabAgent({ file, dir: `${dir}/agent`, ovs }));
  await Deno.writeTextFile(`${dir}/second.json`, JSON.stringify(SECOND_TENANT));
  await agent.start("--intent", GUIDE.pathname, "--intent", `${dir}/second.json`);

  const names = [
    "myContainer1",
    "myContainer3",
    "myContainer2",
    "myContainer4",
    "green1",
    "green2",
  ];
  const pods = await Promise.all(names.map((name) => makePod(name)));
  pods.forEach((pod) => stack.use(pod));
  say(`setting up ${pods.length} pods, as a kubelet does: setup NAMESPACE NAME ID`);
  for (const pod of pods) await agent.setupByFile(pod);
  say();
  say((await agent.call("get", "attachments")).out.trimEnd());
  await showTraffic(agent, pods);
  await showTeardown(agent, pods);
}

async function showTraffic(agent: LabAgent, pods: readonly Pod[]): Promise<void> {
  const [one, three, two, four, green1, green2] = pods as [Pod, Pod, Pod, Pod, Pod, Pod];
  const [a1, a3, a2, a4, g1, g2] = await Promise.all(pods.map((pod) => agent.addressOf(pod))) as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  say("\nwithin a network every pod reaches every other:");
  await ping(one, three, a3, true);
  await ping(three, one, a1, true);
  await ping(two, four, a4, true);
  await ping(four, two, a2, true);
  await ping(green1, green2, g2, true);
  await ping(green2, green1, g1, true);

  say("\nbetween networks nothing passes, even with a route added by hand:");
  for (const [from, to, address] of [[one, two, a2], [four, three, a3]] as const) {
    await from.run("ip", "route", "add", `${address}/32`, "dev", "eth0");
    await ping(from, to, address, false, ", with a route to it on eth0");
  }

  say("\na pod that adds an address of the other network to itself does not reach it:");
  const stolen = a2.replace(/\.\d+$/, ".77");
  await one.run("ip", "addr", "add", `${stolen}/24`, "dev", "eth0");
  await ping(one, four, a4, false, `, as ${stolen}`);
  await one.run("ip", "addr", "del", `${stolen}/24`, "dev", "eth0");

  say("\ntenants with the same subnet do not reach each other:");
  expectation(`myContainer3 of tenant-one and green2 of tenant-two both are ${a3}`, a3 === g2);
  await three.run("ip", "link", "set", "eth0", "down");
  await ping(one, green2, g2, false, ": myContainer3 is down, and green2 is not for tenant-one");
  await ping(green1, green2, g2, true);
  await three.run("ip", "link", "set", "eth0", "up");
  await ping(one, three, a3, true, " again");
}

async function showTeardown(agent: LabAgent, pods: readonly Pod[]): Promise<void> {
  say("\nteardown leaves nothing:");
  for (const pod of pods) {
    const { code, err } = await agent.verb("teardown", pod);
    if (code !== 0) expectation(`teardown of ${pod.name}: ${err}`, false);
  }
  expectation("no attachment is left", (await agent.attachments()).length === 0);
  const { text } = await pods[0]!.run("ip", "-br", "link", "show", "type", "veth");
  expectation("no link of ours is left in a pod", text.trim() === "");
  expectation("the agent stops cleanly on SIGTERM", await agent.stop() === 0);
}

/** A host of its own, with a network behind it. */
async function showReach(file: string): Promise<void> {
  say("\na host with a world outside, and two networks whose gateway it is:");
  await using cluster = await startCluster({ hosts: 1, etcd: 0, intent: REACH, file });
  const host = cluster.host(1);
  await using outside = await makeOutside(cluster.hosts);
  const [open, shut] = [await host.pod("open1"), await host.pod("shut1")];
  for (const pod of [open, shut]) await host.agent.setupByFile(pod);
  await ping(open, outside, OUTSIDE_ADDRESS, true, ': its network has "Reach": ["outside"]');
  await ping(shut, outside, OUTSIDE_ADDRESS, false, ": its network has no such word");
  const node = podAt(host.netns, "host1");
  await ping(node, shut, await host.agent.addressOf(shut), true, ", as kubelets' probes must be");
  for (const { name } of [open, shut]) {
    say();
    say((await host.agent.call("trace", name, "outside", "--tcp", "443")).out.trimEnd());
  }
}

const [built = "dist/k8contivnet"] = Deno.args;
await main(built);
await showReach(new URL(built, `file://${Deno.cwd()}/`).pathname);
say(failures === 0 ? "\nall as expected" : `\n${failures} expectations failed`);
Deno.exit(failures === 0 ? 0 : 1);
