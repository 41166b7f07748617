// Containers that no kubelet made, on a real Docker: connected when they start, in whatever order
// container, intent and agent come, and released when they end.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bindings, intents } from "../fixtures/intents.ts";
import { type LabContainer, startContainer } from "../lab/container.ts";
import { type DockerHost, startDockerHost } from "../lab/docker_host.ts";
import { type Host, intentOf, worldOf } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

/** Returns the attachments as `CONTAINER INTERFACE ADDRESS STATE`, sorted. */
async function attached({ agent }: Host): Promise<string[]> {
  const items = await agent.attachments();
  return items.map(({ endpoint, interface: name, addresses, state }) =>
    `${endpoint} ${name} ${addresses.join()} ${state}`
  ).sort();
}

async function apply({ agent, dir }: Host, intent: unknown, ...words: string[]): Promise<void> {
  const text = typeof intent === "string" ? intent : JSON.stringify(intent);
  await Deno.writeTextFile(`${dir}/more.json`, text);
  const command = words.length > 0 ? words : ["apply", "-f"];
  const { code, err } = await agent.call(...command, `${dir}/more.json`);
  assertEquals(code, 0, err);
}

Deno.test("a container that an endpoint names is connected when it starts and released when it ends", async () => {
  await using at = await startDockerHost(intentOf(2));
  const { host, dockerd } = at;
  const empty = await worldOf(host);
  const none = await startContainer(dockerd, "pod0");
  const standard = await startContainer(dockerd, "pod1", "--net=default");
  await none.has("eth0 10.9.0.1/16");
  await standard.has("eth0 10.9.0.2/16");
  await waitFor("both to be ready", async () => (await attached(host)).length === 2);
  assert(await none.reaches("10.9.0.2"));
  await none.remove();
  await dockerd.docker("kill", standard.id);
  // The grace time is a minute: this is sooner.
  await waitFor("nothing to be attached", async () => (await attached(host)).length === 0, {
    limitMs: 30_000,
  });
  await waitFor("the world to be as before", async () => {
    return JSON.stringify(await worldOf(host)) === JSON.stringify(empty);
  });
  const again = await startContainer(dockerd, "pod0");
  await again.has("eth0 10.9.0.1/16");
});

Deno.test("late binding: whichever comes last of container, agent and intent connects them", async (t) => {
  const early: LabContainer[] = [];
  const before = async (dockerd: DockerHost["dockerd"]) => {
    for (const name of ["pod0", "pod2"]) early.push(await startContainer(dockerd, name));
  };
  await using at = await startDockerHost(intentOf(2), { before });
  const { host, dockerd } = at;
  await t.step("the agent", () => early[0]!.has("eth0 10.9.0.1/16"));
  await t.step("the container", async () => {
    await (await startContainer(dockerd, "pod1")).has("eth0 10.9.0.2/16");
  });
  await t.step("the intent", async () => {
    await early[1]!.has();
    await apply(host, intentOf(3));
    await early[1]!.has("eth0 10.9.0.3/16");
  });
  await t.step("the agent, after a container that started while it was stopped", async () => {
    await apply(host, intentOf(4));
    await host.agent.stop();
    const late = await startContainer(dockerd, "pod3");
    await host.agent.start();
    await late.has("eth0 10.9.0.4/16");
  });
  await t.step("the agent, after the end of a container while it was stopped", async () => {
    await host.agent.stop();
    await dockerd.docker("kill", early[0]!.id);
    await host.agent.start();
    await waitFor("it to be released", async () => {
      return !(await attached(host)).some((line) => line.startsWith("pod0"));
    });
    await dockerd.docker("start", early[0]!.id);
    await early[0]!.has("eth0 10.9.0.1/16");
  });
  await t.step("a new name for a container that runs", async () => {
    await apply(host, intentOf(5));
    const renamed = await startContainer(dockerd, "nobody");
    await dockerd.docker("rename", "nobody", "pod4");
    await renamed.has("eth0 10.9.0.5/16");
  });
  assertEquals((await attached(host)).length, 5);
});

Deno.test("scenario 21 with containers: bindings that name hosts, then the containers", async () => {
  await using at = await startDockerHost(JSON.parse(intents.lateBindings));
  await apply(at.host, bindings.lateHostBindings, "netdcli", "-host-bindings-cfg");
  await (await startContainer(at.dockerd, "myContainer1")).has("eth0 11.1.0.1/24");
  await (await startContainer(at.dockerd, "myContainer2")).has("eth0 11.1.1.1/24");
  const elsewhere = await startContainer(at.dockerd, "myContainer3");
  await waitFor("the third to be refused", async () => {
    return (await at.host.agent.logText()).includes("belongs on host2");
  });
  await elsewhere.has();
});

Deno.test("scenario 22 with containers: containers that run, then bindings with their ids", async () => {
  await using at = await startDockerHost(JSON.parse(intents.lateBindings));
  const names = ["myContainer1", "myContainer2"];
  const [one, two] = [
    await startContainer(at.dockerd, "first"),
    await startContainer(at.dockerd, "second"),
  ];
  const bound = names.map((Container, n) => ({
    ...{ Container, Host: "host1" },
    AttachUUID: [one.id, two.id.slice(0, 12)][n],
  }));
  await apply(at.host, bound, "netdcli", "-host-bindings-cfg");
  await one.has("eth0 11.1.0.1/24");
  await two.has("eth0 11.1.1.1/24");
});

Deno.test("scenario 23 with containers: the intent names pods, the bindings their containers", async () => {
  await using at = await startDockerHost(JSON.parse(intents.containerBindings));
  const [one, two] = [
    await startContainer(at.dockerd, "myContainer1"),
    await startContainer(at.dockerd, "myContainer2"),
  ];
  const bound = JSON.parse(bindings.containerHostBindings) as Record<string, string>[];
  for (const [n, entry] of bound.slice(0, 2).entries()) {
    // By id and by name: the original took both.
    entry.AttachUUID = n === 0 ? one.id : two.name;
  }
  await apply(at.host, bound, "netdcli", "-host-bindings-cfg");
  await one.has("eth0 11.1.0.1/24");
  await two.has("eth0 11.1.1.1/24");
  const ids = (await at.host.agent.attachments()).map((item) => `${item.endpoint} ${item.sandbox}`);
  assertEquals(ids.sort(), [`myPod1 ${one.id}`, `myPod2 ${two.id}`]);
});

Deno.test("a container whose endpoint belongs to another host gets nothing here, and its rightful owner keeps all", async () => {
  await using at = await startDockerHost(intentOf(2));
  const { host, dockerd } = at;
  assertEquals((await host.agent.call("bind", "pod1", "host2")).code, 0);
  const owner = await startContainer(dockerd, "pod0");
  await owner.has("eth0 10.9.0.1/16");
  const before = await worldOf(host);
  const stranger = await startContainer(dockerd, "pod1");
  await waitFor("the log to say so", async () => {
    return /container left alone: .*pod1.*belongs on host2/.test(await host.agent.logText());
  });
  await stranger.has();
  await owner.has("eth0 10.9.0.1/16");
  assertEquals(await worldOf(host), before);
  // Once, not with each look.
  await apply(host, intentOf(3));
  await (await startContainer(dockerd, "pod2")).has("eth0 10.9.0.3/16");
  assertEquals((await host.agent.logText()).split("belongs on host2").length, 2);
  // And when it is meant to be here, it is connected.
  assertEquals((await host.agent.call("bind", "pod1", "host1")).code, 0);
  await stranger.has("eth0 10.9.0.2/16");
});

Deno.test("starts that fail do not keep later containers from being connected", async () => {
  const intent = intentOf(6) as { Tenants: { Networks: { Endpoints: unknown[] }[] }[] };
  const endpoints = intent.Tenants[0]!.Networks[0]!.Endpoints;
  for (const n of [0, 1]) endpoints[n] = { Container: `pod${n}`, Interface: "eth0" };
  await using at = await startDockerHost(intent);
  const { host, dockerd } = at;
  // Two that end before they can be connected, two whose interface is Docker's already, one in the
  // host's network, one in another container's.
  const brief = (name: string) =>
    dockerd.docker("run", "--rm", "--name", name, "--net=none", "k8contivnet-lab", "/bin/busybox");
  await Promise.all([brief("pod0"), brief("pod1")]);
  await dockerd.docker("network", "create", "--subnet=172.30.9.0/24", "own");
  for (const name of ["pod0", "pod1"]) await startContainer(dockerd, name, "--net=own");
  await waitFor("both to be refused", async () => {
    return (await host.agent.logText()).match(/would have two interfaces eth0/g)?.length === 2;
  });
  await startContainer(dockerd, "pod2", "--net=host");
  const base = await startContainer(dockerd, "base");
  await startContainer(dockerd, "pod3", `--net=container:${base.id}`);
  const good = await startContainer(dockerd, "pod4");
  await good.has("eth0 10.9.0.5/16");
  await base.has();
  await (await startContainer(dockerd, "pod5")).has("eth0 10.9.0.6/16");
  await waitFor("only the good ones", async () => {
    return (await attached(host)).join() ===
      "pod4 eth0 10.9.0.5/16 ready,pod5 eth0 10.9.0.6/16 ready";
  });
});

Deno.test("docker restart and docker pause keep address and network", async () => {
  await using at = await startDockerHost(intentOf(2), { flags: ["--grace", "600"] });
  const { host, dockerd } = at;
  const [one, two] = [await startContainer(dockerd, "pod0"), await startContainer(dockerd, "pod1")];
  await one.has("eth0 10.9.0.1/16");
  await two.has("eth0 10.9.0.2/16");
  for (let n = 0; n < 3; n++) {
    await dockerd.docker("restart", "-t", "0", two.id);
    await two.has("eth0 10.9.0.2/16");
    assert(await one.reaches("10.9.0.2"), `restart ${n}`);
    assert(await two.reaches("10.9.0.1"), `restart ${n}`);
  }
  const before = await worldOf(host);
  await dockerd.docker("pause", two.id);
  assert(await one.reaches("10.9.0.2"), "paused"); // the kernel answers
  await dockerd.docker("unpause", two.id);
  assertEquals(await worldOf(host), before);
  assertEquals(await attached(host), [
    "pod0 eth0 10.9.0.1/16 ready",
    "pod1 eth0 10.9.0.2/16 ready",
  ]);
});

Deno.test("an infra container that is restarted by hand is connected again: no kubelet would do it", async () => {
  await using at = await startDockerHost(intentOf(1), { flags: ["--grace", "600"] });
  const { host, dockerd } = at;
  const infra = await startContainer(dockerd, "k8s_POD.6d00e006_pod0_default_u-1_0123abcd");
  assertEquals((await host.agent.call("setup", "default", "pod0", infra.id)).code, 0);
  await dockerd.docker("restart", "-t", "0", infra.id);
  await infra.has("eth0 10.9.0.1/16");
  assertEquals(await attached(host), ["pod0 eth0 10.9.0.1/16 ready"]);
});

Deno.test("several endpoints of one container: eth0, net1, one default route, and all end together", async () => {
  const intent = JSON.parse(intents.multipleEndpoints);
  for (const [n, network] of intent.Tenants[0].Networks.entries()) {
    network.DefaultGw = `11.1.${n}.254`;
  }
  await using at = await startDockerHost(intent);
  const { host, dockerd } = at;
  const two = await startContainer(dockerd, "myContainer2");
  await two.has("eth0 11.1.0.2/24", "net1 11.1.1.1/24");
  assertMatch(
    (await two.run("ip", "route", "show", "default")).text,
    /^default via 11\.1\.0\.254 dev eth0 *\n?$/,
  );
  const one = await startContainer(dockerd, "myContainer1");
  await one.has("eth0 11.1.0.1/24");
  assert(await one.reaches("11.1.0.2"));
  assertEquals((await attached(host)).length, 3);
  await two.remove();
  await waitFor("both of it to be gone", async () => {
    return (await attached(host)).join() === "myContainer1 eth0 11.1.0.1/24 ready";
  }, { limitMs: 30_000 });
  const log = await host.agent.logText();
  for (const network of ["orange", "purple"]) {
    assertMatch(
      log,
      new RegExp(`detached pod=default/myContainer2 network=tenant-one/${network} .* why=`),
    );
  }
});

Deno.test("the log has one line for each attach and each detach", async () => {
  await using at = await startDockerHost(intentOf(2));
  const { host, dockerd } = at;
  const infra = await startContainer(dockerd, "k8s_POD_pod0_default_u-1_0");
  assertEquals((await host.agent.call("setup", "default", "pod0", infra.id)).code, 0);
  const plain = await startContainer(dockerd, "pod1");
  await plain.has("eth0 10.9.0.2/16");
  assertEquals((await host.agent.call("teardown", "default", "pod0", infra.id)).code, 0);
  await plain.remove();
  const lines = await waitFor("four lines", async () => {
    const found = (await host.agent.logText()).split("\n").filter((line) =>
      / (at|de)tached /.test(line)
    );
    return found.length >= 4 && found;
  }, { limitMs: 30_000 });
  assertEquals(lines.length, 4);
  const fields =
    / pod=default\/pod[01] network=t\/blue address=10\.9\.0\.[12] ms=\d+(\.\d)?( why=.*)?$/;
  for (const line of lines) assertMatch(line, fields);
  assertStringIncludes(lines[3]!, 'why="its sandbox is gone"');
});

Deno.test("what fails repeatedly is reported once, no secret of a container is, and it works when it can", async () => {
  await using at = await startDockerHost(intentOf(3));
  const { host, dockerd } = at;
  const early = await startContainer(dockerd, "pod0");
  await early.has("eth0 10.9.0.1/16");
  await host.ovs.stop();
  const secrets = ["--env=PASSWORD=hunter2", "--label=token=hunter3"];
  const late = await startContainer(dockerd, "pod1", ...secrets);
  await dockerd.docker("restart", "-t", "0", early.id);
  // The agent tries once a second.
  await waitFor("the agent to complain", async () => {
    return /(error|warn) /.test(await host.agent.logText());
  });
  await new Promise((done) => setTimeout(done, 5_000));
  const complaints = (await host.agent.logText()).split("\n")
    .filter((line) => / (error|warn) /.test(line)).map((line) => line.replace(/^\S+ /, ""));
  assertEquals(complaints, [...new Set(complaints)]);
  await host.ovs.startOvsdb();
  await host.ovs.startVswitchd();
  await late.has("eth0 10.9.0.2/16");
  await early.has("eth0 10.9.0.1/16");
  assert(!/hunter/.test(await host.agent.logText()));
});
