// Records of a newer version and documents of other programs in the store that agents share: named,
// left as they are, and disturbing nothing.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { openStore } from "../../lib/store/open_store.ts";
import type { Json } from "../../lib/store/store.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";
import { waitFor } from "../lab/wait.ts";

const INTENT = intentOf("alone", { orange: ["c1", "c2", "c3"] });

/** Puts documents where the agents' are, as others would. */
async function put(cluster: Cluster, documents: Readonly<Record<string, Json>>): Promise<void> {
  if (cluster.etcd) {
    for (const [key, value] of Object.entries(documents)) {
      const text = typeof value === "string" ? value : JSON.stringify(value);
      await cluster.etcd.ctl("put", `/lab/${key}`, text);
    }
    return;
  }
  const store = await openStore(`sqlite:${cluster.dir}/store.db`);
  const writes = Object.entries(documents).map(([key, value]) => ({ key, value }));
  await store.commit([], writes);
  await store.close();
}

async function read(cluster: Cluster): Promise<Map<string, Json>> {
  const store = await openStore(
    cluster.etcd ? cluster.etcd.url("/lab") : `sqlite:${cluster.dir}/store.db`,
  );
  const { entries } = await store.list("");
  await store.close();
  return new Map(entries.map(({ key, value }) => [key, value]));
}

for (const [name, etcd] of [["SQLite", 0], ["etcd", 1]] as const) {
  Deno.test(`${name}: records of a newer version or of another program are named and left alone, and all else works`, async () => {
    await using cluster = await startCluster({ hosts: 1, etcd, intent: INTENT });
    const { agent, ...host } = cluster.host(1);
    const before = await read(cluster);
    const newer = before.get("endpoints/tenant-one/orange/myContainer2") as Record<string, Json>;
    const next = before.get("endpoints/tenant-one/orange/myContainer3") as Record<string, Json>;
    const strange: Record<string, Json> = {
      "endpoints/tenant-one/orange/myContainer2": { ...newer, schema: 3, address: ["v", 3] },
      "networks/tenant-one/grey": { schema: 4 },
      "hosts/host9": "no JSON {",
      "attachments/host1/0123456789ab/eth0": { schema: 1, note: "not ours" },
      "elsewhere/x": { schema: 1 },
    };
    await put(cluster, {
      ...strange,
      "endpoints/tenant-one/orange/myContainer3": { ...next, schema: 2, color: "red" },
    });
    // Of a store that hosts share, an agent knows what its host needs, once the indexes are complete: of endpoints those
    // of its pods' networks, and no folder of other programs.
    const known = Object.keys(strange).filter((key) => etcd === 0 || key !== "elsewhere/x");
    const isSaid = async (keys: readonly string[]) => {
      const text = await agent.logText();
      return keys.every((key) => text.includes(`record ${key} is left alone: `));
    };
    const always = known.filter((key) => etcd === 0 || !key.startsWith("endpoints/"));
    await waitFor("the agent to say it", () => isSaid(always));
    // Next version's endpoint is set up, and keeps what this version does not know.
    const [one, three] = [await host.pod("myContainer1"), await host.pod("myContainer3")];
    await agent.setup(one);
    await agent.setup(three);
    assert(await three.reaches(await agent.addressOf(one)));
    await waitFor("the agent to say it of its pods' network", () => isSaid(known));
    const bound = (await read(cluster)).get("endpoints/tenant-one/orange/myContainer3") as Record<
      string,
      Json
    >;
    assertEquals([bound.schema, bound.color], [2, "red"]);
    assertEquals((bound.bound as { readonly host: string }).host, "host1");
    // An intent that names the newer endpoint changes all but that.
    await Deno.writeTextFile(
      `${cluster.dir}/more.json`,
      JSON.stringify(intentOf("alone", { orange: ["c1", "c2", "c3", "c4"], purple: ["c9"] })),
    );
    const applied = await agent.call("apply", "-f", `${cluster.dir}/more.json`);
    assertEquals(applied.code, 0, applied.err);
    assertStringIncludes(applied.err, "endpoint tenant-one/orange/myContainer2 is left alone: ");
    assertStringIncludes(applied.out, "+ network tenant-one/purple");
    assertStringIncludes(applied.out, "+ endpoint tenant-one/orange/myContainer4");
    const checked = await agent.call("ipam", "check", "-o", "json");
    assertEquals(checked.code, 1);
    const named = JSON.parse(checked.out) as { readonly name: string; readonly why: string }[];
    assertEquals(named.map((one) => one.name).sort(), Object.keys(strange).sort());
    const status = await agent.call("status", "-o", "json");
    assertEquals(status.code, 0, status.err);
    const lines: string[] = JSON.parse(status.out).unreadable;
    for (const key of known) assert(lines.some((line) => line.includes(key)), `${key}: ${lines}`);
    const isStrange = (line: string) => Object.keys(strange).some((key) => line.includes(key));
    assert(lines.every(isStrange), lines.join("\n"));
    if (etcd === 0) assertEquals(lines.length, Object.keys(strange).length);
    const { err } = await agent.call("status");
    for (const key of known) assertStringIncludes(err, `record ${key} is left alone: `);
    // A restarted agent starts all the same.
    await agent.stop();
    await agent.start();
    assertEquals((await agent.attachments()).map((item) => item.state), ["ready", "ready"]);
    const after = await read(cluster);
    for (const [key, value] of Object.entries(strange)) assertEquals(after.get(key), value, key);
  });
}

Deno.test("agents say in their heartbeat which schema they read", async () => {
  await using cluster = await startCluster({ hosts: 2, flags: ["--heartbeat", "1"] });
  const agents = [...(await cluster.etcd!.read("/lab/agents/")).values()];
  assertEquals(agents.map((text) => JSON.parse(text).reads), [2, 2]);
});
