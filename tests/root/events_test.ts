// `events` and `get --watch` of the built file: what happened on a host, as it happens, across a restart.

import { assert, assertEquals } from "@std/assert";
import type { EventItem } from "../../lib/agent/api/listed_items.ts";
import { FILE, intentOf, startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

Deno.test("events has attaches, detaches and what went wrong, also after kill -9", async () => {
  await using host = await startHost(intentOf(1));
  const { agent } = host;
  const pod = await host.pod("pod0");
  await agent.setup(pod);
  await agent.verb("teardown", pod);
  await agent.setup(pod);
  await host.ovs.vsctl(
    "del-port",
    "contivBridge",
    (await agent.attachments()).length > 0 ? await portOf(host) : "",
  );
  const eventsNow = async (...words: string[]): Promise<EventItem[]> =>
    JSON.parse((await agent.call("events", ...words, "-o", "json")).out);
  await waitFor("the port to be repaired", async () => (await eventsNow("repair")).length > 0);
  const kinds = (await eventsNow("default/pod0")).map(({ kind }) => kind);
  assertEquals(kinds.slice(0, 3), ["attach", "detach", "attach"]);
  const [first] = await eventsNow("attach");
  assertEquals([first?.host, first?.pod, first?.network], ["host1", "default/pod0", "t/blue"]);
  assert(first?.address?.startsWith("10.9."), first?.address);
  // Saved within ten seconds.
  await waitFor(
    "the events to be saved",
    async () =>
      (await Deno.readTextFile(`${agent.stateDir}/events.json`).catch(() => "")).includes("pod0"),
    { limitMs: 30_000 },
  );
  await agent.stop("SIGKILL");
  await agent.start();
  assertEquals((await eventsNow("attach"))[0]?.at, first?.at);
});

async function portOf(
  { ovs }: { ovs: { vsctl(...words: string[]): Promise<string> } },
): Promise<string> {
  const ports = (await ovs.vsctl("list-ports", "contivBridge")).split("\n");
  return ports.find((name) => name.startsWith("cv")) ?? "";
}

Deno.test("get --watch shows pods as they come and go, outlives a restart, and ends with its reader", async () => {
  await using host = await startHost(intentOf(1));
  const { agent } = host;
  const child = new Deno.Command(FILE, {
    args: ["get", "attachments", "-w", "-o", "name", "--socket", agent.socket],
    ...{ stdin: "null", stdout: "piped", stderr: "null" },
  }).spawn();
  let seen = "";
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const until = (text: string) =>
    waitFor(`"${text}"`, async () => {
      if (!seen.includes(text)) seen += (await reader.read()).value ?? "";
      return seen.includes(text);
    });
  const pod = await host.pod("pod0");
  await agent.setup(pod);
  await until("+ t/blue/pod0");
  await agent.stop("SIGKILL");
  await agent.start();
  await agent.verb("teardown", pod);
  await until("- t/blue/pod0");
  await reader.cancel();
  await agent.setup(pod);
  await waitFor(
    "the watch to end",
    async () =>
      await Promise.race([
        child.status.then(() => true),
        new Promise<boolean>((done) => setTimeout(() => done(false), 500)),
      ]),
    { limitMs: 30_000 },
  );
});
