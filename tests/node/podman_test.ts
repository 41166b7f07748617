// Our file as the CNI plugin of a real podman: containers that start again under the same id, a second
// network, addresses of the caller's choice.

import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import type { AttachmentItem } from "../../lib/agent/api/listed_items.ts";
import { blue, tenantOf } from "../lab/default_network.ts";
import { startContainerdNode } from "./lab/containerd_node.ts";
import type { LabNode } from "./lab/lab_node.ts";
import { describeCalls, ourConfiguration } from "./lab/plugins.ts";
import { Podman } from "./lab/podman.ts";
import { assertNothingLeft, tracesOf } from "./lab/traces.ts";

const INTENT = tenantOf([blue(), { Name: "green" }]);

/** Returns `INTERFACE NETWORK ADDRESS` of each of a container's interfaces, sorted. */
async function interfacesOf({ host }: LabNode, id: string): Promise<string[]> {
  const items: AttachmentItem[] = (await host.agent.attachments())
    .filter(({ sandbox }) => sandbox === id);
  return items.map((item) => `${item.interface} ${item.network} ${addressOf(item)}`).sort();
}

function addressOf({ addresses }: AttachmentItem): string {
  return addresses[0]?.split("/")[0] ?? "";
}

/** Returns what `ip` says in a container of an interface: `ADDRESS/LENGTH`, MAC. */
async function seenIn(podman: Podman, container: string, name: string): Promise<string> {
  const text = await podman.run("exec", container, "ip", "address", "show", "dev", name);
  const mac = /link\/ether (\S+)/.exec(text)?.[1];
  return `${/inet (\S+)/.exec(text)?.[1]} ${mac}`;
}

Deno.test("podman and our plugin", async (t) => {
  await using started = await startContainerdNode(INTENT);
  const { node, image } = started;
  const { plugins, machine, host } = node;
  const conf = (name: string) => ({
    ...ourConfiguration({
      socket: host.agent.socket,
      network: name,
      capabilities: { ips: true, mac: true },
    }),
    name,
  });
  await plugins.removeConfiguration("10-k8contivnet.conflist");
  for (const name of ["blue", "green"]) await plugins.configure(`10-${name}.conflist`, conf(name));
  const podman = await Podman.start(machine, plugins, image);
  const before = await tracesOf(node);
  const peer = await podman.create("peer", "--network=blue");
  const [, , peerAddress = ""] = (await interfacesOf(node, peer))[0]?.split(" ") ?? [];
  const withPeer = await tracesOf(node);

  await t.step("its networks are listed", async () => {
    assertMatch(await podman.run("network", "ls"), /blue +k8contivnet/);
  });

  await t.step("run, stop, start, remove: the id comes again", async () => {
    const id = await podman.create("web", "--network=blue");
    assert(await podman.pings("web", peerAddress), "the container reaches no other");
    const [first] = await interfacesOf(node, id);
    assertMatch(first ?? "", /^eth0 blue 10\.9\./);
    await podman.run("stop", "--time=0", "web");
    assertEquals(await interfacesOf(node, id), []);
    await podman.run("start", "web");
    assert(await podman.pings("web", peerAddress), "not after its second start");
    const shown = await podman.run("inspect", "web", "--format={{json .NetworkSettings.Networks}}");
    const address = (await interfacesOf(node, id))[0]?.split(" ")[2];
    assertEquals(JSON.parse(shown).blue.IPAddress, address);
    await podman.run("rm", "--force", "--time=0", "web");
    const calls = describeCalls(await plugins.calls({ of: id }));
    assertEquals(calls, ["ADD", "DEL+", "ADD", "DEL+"]);
    await assertNothingLeft(node, withPeer);
  });

  await t.step("a second network on eth1, and without it again", async () => {
    const id = await podman.create("two", "--network=blue");
    await podman.run("network", "connect", "green", "two");
    const names = (await interfacesOf(node, id)).map((line) => line.split(" ", 2).join(" "));
    assertEquals(names, ["eth0 blue", "eth1 green"]);
    assertMatch(await seenIn(podman, "two", "eth1"), /^10\.9\./);
    assert(await podman.pings("two", peerAddress));
    await podman.run("network", "disconnect", "green", "two");
    assertEquals((await interfacesOf(node, id)).length, 1);
    assert(await podman.pings("two", peerAddress));
    await podman.run("network", "connect", "green", "two");
    await podman.run("rm", "--force", "--time=0", "two");
    await assertNothingLeft(node, withPeer);
  });

  await t.step("address and MAC of the caller's choice", async () => {
    const [ip, mac] = ["10.9.0.200", "02:00:00:00:00:c8"];
    await podman.create("chosen", `--network=blue:ip=${ip},mac=${mac}`);
    assertEquals(await seenIn(podman, "chosen", "eth0"), `${ip}/24 ${mac}`);
    assert(await podman.pings("peer", ip));
    const error = await assertRejects(
      () => podman.create("same", `--network=blue:ip=${ip}`),
      Error,
    );
    assertMatch(error.message, /10\.9\.0\.200/);
    await podman.run("rm", "--force", "--time=0", "same", "chosen");
    await assertNothingLeft(node, withPeer);
  });

  await t.step("five at once", async () => {
    const names = [1, 2, 3, 4, 5].map((n) => `many-${n}`);
    const ids = await Promise.all(names.map((name) => podman.create(name, "--network=blue")));
    const all = await Promise.all(ids.map((id) => interfacesOf(node, id)));
    assertEquals(new Set(all.flat()).size, 5);
    await podman.run("rm", "--force", "--time=0", ...names);
    await assertNothingLeft(node, withPeer);
  });

  await podman.run("rm", "--force", "--time=0", "peer");
  await assertNothingLeft(node, before);
});
