// A kubelet's calls on one host, agent up or away, as kubelets of 2015 make them: by the launcher,
// and by the exec face alone. Both mean the same.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../lab/run.ts";
import { type Host, intentOf, startHost, worldOf } from "../lab/host.ts";
import { randomHex } from "../lab/pod.ts";
import { waitFor } from "../lab/wait.ts";
import { patient } from "../lab/limits.ts";

for (const way of ["launcher", "exec face"]) {
  const start = async (intent: unknown): Promise<Host> => {
    const host = await startHost(intent);
    if (way === "exec face") host.agent.env.K8CONTIVNET_DOOR = "none";
    return host;
  };

  Deno.test(`${way}: setup prints nothing and status prints one JSON value with the pod's address`, async () => {
    await using host = await start(intentOf(2));
    const pod = await host.pod("pod0");
    assertEquals(await host.agent.verb("setup", pod), { code: 0, out: "", err: "" });
    assertEquals(await host.agent.verb("status", pod), {
      code: 0,
      out: '{"apiVersion":"v1beta1","kind":"PodNetworkStatus","ip":"10.9.0.1"}',
      err: "",
    });
    const swapped = await host.agent.call("status", pod.name, pod.namespace, pod.id);
    assertStringIncludes(swapped.out, '"10.9.0.1"');
  });

  Deno.test(`${way}: setup configures the pod: name, MAC, address, MTU, and the row names its owner`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    await host.agent.setup(pod);
    const [link] = JSON.parse((await pod.run("ip", "-j", "addr", "show", "eth0")).text);
    assertEquals(link.address, "02:02:0a:09:00:01");
    assertEquals(link.mtu, 1500);
    const [address] = link.addr_info.filter((one: { family: string }) => one.family === "inet");
    assertEquals([address.local, address.prefixlen], ["10.9.0.1", 16]);
    const ids = await host.ovs.vsctl("--columns=external_ids,tag", "list", "Port");
    for (const part of ["pod0", pod.id, "tenant", "blue", "host1"]) assertStringIncludes(ids, part);
    const [item] = await host.agent.attachments();
    assertEquals(item, {
      tenant: "t",
      network: "blue",
      endpoint: "pod0",
      pod: { namespace: "default", name: "pod0" },
      host: "host1",
      sandbox: pod.id,
      interface: "eth0",
      addresses: ["10.9.0.1/16"],
      mac: "02:02:0a:09:00:01",
      vlan: 100,
      state: "ready",
      reason: "",
    });
  });

  Deno.test(`${way}: setup twice and teardown twice succeed, and change nothing the second time`, async () => {
    await using host = await start(intentOf(2));
    const pod = await host.pod("pod0");
    await host.agent.setup(pod);
    const connected = await worldOf(host);
    await host.agent.setup(pod);
    assertEquals(await worldOf(host), connected);
    for (let n = 0; n < 2; n++) {
      assertEquals(await host.agent.verb("teardown", pod), { code: 0, out: "", err: "" });
    }
    await host.agent.setup(pod);
    assertEquals((await host.agent.attachments()).length, 1);
  });

  Deno.test(`${way}: teardown of a pod that never was, or whose namespace is gone, succeeds`, async () => {
    await using host = await start(intentOf(1));
    const unknown = await host.agent.call("teardown", "default", "pod0", randomHex(64));
    assertEquals(unknown, { code: 0, out: "", err: "" });
    const pod = await host.pod("pod0");
    await host.agent.setup(pod);
    await pod[Symbol.asyncDispose]();
    assertEquals((await host.agent.verb("teardown", pod)).code, 0);
    assertEquals(await host.agent.attachments(), []);
  });

  Deno.test(`${way}: status of an unknown pod, and status while the agent is stopped, print nothing and end with 0`, async () => {
    await using host = await start(intentOf(1));
    const nothing = { code: 0, out: "", err: "" };
    assertEquals(await host.agent.call("status", "default", "pod0", randomHex(64)), nothing);
    await host.agent.stop();
    assertEquals(await host.agent.call("status", "default", "pod0", randomHex(64)), nothing);
  });

  Deno.test(`${way}: init ends with 0, agent running or stopped, and says one line when it is stopped`, async () => {
    await using host = await start(intentOf(1));
    assertEquals(await host.agent.call("init"), { code: 0, out: "", err: "" });
    await host.agent.stop();
    const { code, out, err } = await host.agent.call("init");
    assertEquals([code, out], [0, ""]);
    assertMatch(err, /^k8contivnet: agent at .*agent\.sock is unreachable: [^\n]+$/);
  });

  Deno.test(`${way}: a teardown while the agent is stopped leaves a note that its next start handles, whatever its state folder`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    await host.agent.setup(pod);
    await host.agent.stop();
    const started = performance.now();
    assertEquals((await host.agent.verb("teardown", pod)).code, 0);
    assert(performance.now() - started < patient(15_000));
    await host.agent.start();
    assertEquals(await host.agent.attachments(), []);
    assertEquals(await Array.fromAsync(Deno.readDir(`${host.agent.socket}.notes`)), []);
  });

  Deno.test(`${way}: a teardown fails if its note would be in a folder that the agent does not read`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    await host.agent.stop();
    await Deno.mkdir(`${host.agent.socket}.notes`);
    await Deno.chown(`${host.agent.socket}.notes`, 61234, 61234);
    const { code, err } = await host.agent.verb("teardown", pod);
    assertEquals(code, 5);
    assertMatch(
      err,
      /no note can be written to \S+agent\.sock\.notes; start the agent, then tear down/,
    );
  });

  Deno.test(`${way}: a teardown note in the state folder is handled, too: of version 0.1.0, or by K8CONTIVNET_STATE_DIR`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    await host.agent.setup(pod);
    await host.agent.stop();
    host.agent.env.K8CONTIVNET_STATE_DIR = host.agent.stateDir;
    assertEquals((await host.agent.verb("teardown", pod)).code, 0);
    const notes = `${host.agent.stateDir}/teardown`;
    assertEquals((await Array.fromAsync(Deno.readDir(notes))).map(({ name }) => name), [pod.id]);
    await host.agent.start();
    assertEquals(await host.agent.attachments(), []);
    assertEquals(await Array.fromAsync(Deno.readDir(notes)), []);
  });

  Deno.test(`${way}: a setup that begins while the agent is stopped succeeds when the agent is back`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    await host.agent.stop();
    const pending = host.agent.verb("setup", pod);
    await host.agent.start();
    assertEquals((await pending).code, 0);
    assertEquals((await host.agent.attachments()).length, 1);
  });

  Deno.test(`${way}: a setup without an agent ends with 5 and one sentence when its time is over`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    await host.agent.stop();
    const { code, out, err } = await host.agent.callWith(
      { K8CONTIVNET_SETUP_SECONDS: "2" },
      "setup",
      "default",
      "pod0",
      pod.id,
    );
    assertEquals([code, out], [5, ""]);
    assertMatch(err, /^k8contivnet: agent at \S+ is unreachable: [^\n]+$/);
  });

  Deno.test(`${way}: a pod that nothing names is left alone, and is shown as unmatched`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("stranger");
    assertEquals((await host.agent.verb("setup", pod)).code, 0);
    const [item] = await host.agent.attachments();
    assertEquals([item?.state, item?.reason], [
      "unmatched",
      "no endpoint names default/stranger, and no network of t is the default or selects it",
    ]);
    assertStringIncludes(await host.agent.logText(), "stranger");
    await host.agent.verb("teardown", pod);
    assertEquals(await host.agent.attachments(), []);
  });

  Deno.test(`${way}: a pod of the right name in a namespace that the tenant does not serve gets nothing`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0", "kube-system");
    await host.agent.setup(pod);
    assertEquals((await host.agent.attachments()).map((item) => item.state), ["unmatched"]);
  });

  Deno.test(`${way}: the guide's order of arguments works where only it matches, and is logged`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    const { code } = await host.agent.call("setup", "pod0", "default", pod.id);
    assertEquals(code, 0);
    assertEquals((await host.agent.attachments())[0]?.pod, { namespace: "default", name: "pod0" });
    assertStringIncludes(await host.agent.logText(), "old guide's order");
  });

  Deno.test(`${way}: an endpoint that is pinned elsewhere is refused at once, and says where it belongs`, async () => {
    await using host = await start(intentOf(1));
    assertEquals((await host.agent.call("bind", "pod0", "host2")).code, 0);
    const { code, err } = await host.agent.verb("setup", await host.pod("pod0"));
    assertEquals(code, 4);
    assertStringIncludes(err, "host2");
    assertEquals((await host.agent.call("bind", "pod0", "host1")).code, 0);
    await host.agent.setup(await host.pod("pod0"));
  });

  Deno.test(`${way}: a new infra container without a teardown of the old one takes the endpoint over`, async () => {
    await using host = await start(intentOf(2));
    const [old, peer] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(old);
    await host.agent.setup(peer);
    const fresh = await host.pod("pod0");
    await host.agent.setup(fresh);
    const holders = (await host.agent.attachments()).filter((item) => item.endpoint === "pod0");
    assertEquals(holders.map((item) => item.sandbox), [fresh.id]);
    assert(await fresh.reaches("10.9.0.2"));
    assert(!await old.pings("10.9.0.2"), "the old container still has its network");
  });

  Deno.test(`${way}: a host-network pod is success with nothing done`, async () => {
    await using host = await start(intentOf(1));
    const id = randomHex(64);
    // A name for the namespace that the agent itself is in.
    await run("ip", ["netns", "attach", id, String(Deno.pid)]);
    try {
      assertEquals((await host.agent.call("setup", "default", "pod0", id)).code, 0);
      assertEquals(await host.agent.attachments(), []);
    } finally {
      await run("umount", [`/run/netns/${id}`]);
      await Deno.remove(`/run/netns/${id}`);
    }
  });

  Deno.test(`${way}: an interface that is already up in the pod keeps its default route`, async () => {
    const intent = intentOf(1) as { Tenants: { Networks: Record<string, unknown>[] }[] };
    intent.Tenants[0]!.Networks[0]!.DefaultGw = "10.9.255.254";
    await using host = await start(intent);
    const pod = await host.pod("pod0");
    await run("ip", [
      "-n",
      pod.id,
      "link",
      "add",
      "docker0",
      "type",
      "veth",
      "peer",
      "name",
      "far",
    ]);
    await run("ip", ["-n", pod.id, "addr", "add", "172.17.0.2/16", "dev", "docker0"]);
    for (const end of ["docker0", "far"]) await run("ip", ["-n", pod.id, "link", "set", end, "up"]);
    await run("ip", ["-n", pod.id, "route", "add", "default", "via", "172.17.0.1"]);
    await host.agent.setup(pod);
    const { text } = await pod.run("ip", "route", "show", "default");
    assertMatch(text, /^default via 172\.17\.0\.1 dev docker0\s*$/);
    assertStringIncludes(await host.agent.logText(), "foreign interface");
  });

  Deno.test(`${way}: no child of a call keeps its pipe open`, async () => {
    await using host = await start(intentOf(1));
    const pod = await host.pod("pod0");
    // output() waits for end-of-file, as kubelets do: that it returns soon is the proof.
    const started = performance.now();
    await host.agent.setup(pod);
    assert(performance.now() - started < patient(10_000));
  });

  Deno.test(`${way}: deleting an endpoint from the intent detaches its live pod`, async () => {
    await using host = await start(intentOf(2));
    const [one, two] = [await host.pod("pod0"), await host.pod("pod1")];
    await host.agent.setup(one);
    await host.agent.setup(two);
    await Deno.writeTextFile(`${host.dir}/less.json`, JSON.stringify(intentOf(1)));
    const { code, err } = await host.agent.call("apply", "--prune", "-f", `${host.dir}/less.json`);
    assertEquals(code, 0, err);
    await waitFor("pod1 to be detached", async () => {
      const items = await host.agent.attachments();
      return items.map((item) => item.state).sort().join() === "ready,unmatched";
    });
    assert(!await two.pings("10.9.0.1"));
  });
}
