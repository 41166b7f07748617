// `ipam check --repair` on both stores: what a hand has broken is whole again, and no pod's address moves.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { openStore } from "../../lib/store/open_store.ts";
import type { Write } from "../../lib/store/store.ts";
import { startCluster } from "../lab/cluster.ts";
import { intentOf } from "../lab/scenarios/scenario.ts";

const INTENT = intentOf("alone", { orange: ["c1", "c2", "c3"] });
const ip = (last: number) => `claims/ip/tenant-one/orange/11.1.0.${last}`;
const claim = (key: string, owner: string): Write => ({ key, value: { schema: 1, owner } });

for (const [name, etcd] of [["SQLite", 0], ["etcd", 1]] as const) {
  Deno.test(`${name}: ipam check names what differs, --repair repairs it, and a live pod keeps its address`, async () => {
    await using cluster = await startCluster({ hosts: 1, etcd, intent: INTENT });
    const { agent, ...host } = cluster.host(1);
    const url = cluster.etcd ? cluster.etcd.url("/lab") : `sqlite:${cluster.dir}/store.db`;
    const pod = await host.pod("myContainer1");
    await agent.setup(pod);
    const store = await openStore(url);
    await using _ = { [Symbol.asyncDispose]: () => store.close() };
    const keysNow = async () => (await store.list("claims/")).entries.map(({ key }) => key);
    const whole = await keysNow();
    await store.commit([], [
      { key: ip(1), value: undefined }, // a live pod's
      { key: ip(2), value: undefined },
      claim(ip(9), "endpoints/tenant-one/orange/gone"),
      claim("claims/vlan/44", "networks/tenant-one/gone"),
    ]);
    const checked = await agent.call("ipam", "check", "-o", "name");
    assertEquals(checked.code, 1);
    assertEquals(checked.out.trim().split("\n").sort(), [
      ip(9),
      "claims/vlan/44",
      "endpoints/tenant-one/orange/myContainer1",
      "endpoints/tenant-one/orange/myContainer2",
    ]);
    const dry = await agent.call("ipam", "check", "--repair", "--dry-run");
    assertEquals(dry.code, 1);
    assertEquals(dry.out.match(/^would (release|rebuild) /gm)?.length, 4);
    assert((await keysNow()).includes(ip(9)), "a dry run changes nothing");
    // By the agent, and once more by hand on the store itself.
    const repaired = await agent.call("ipam", "check", "--repair");
    assertEquals(repaired.code, 0, repaired.err);
    assertEquals(repaired.out.trim().split("\n"), [
      `rebuilt ${ip(1)}: endpoints/tenant-one/orange/myContainer1 has its value`,
      `rebuilt ${ip(2)}: endpoints/tenant-one/orange/myContainer2 has its value`,
      `released ${ip(9)}: its owner endpoints/tenant-one/orange/gone does not exist`,
      "released claims/vlan/44: its owner networks/tenant-one/gone does not exist",
    ]);
    assertEquals(await keysNow(), whole);
    assertEquals((await agent.call("ipam", "check")).code, 0);
    await store.commit([], [claim(ip(9), "endpoints/tenant-one/orange/gone")]);
    const direct = await agent.call("ipam", "check", "--repair", "--store", url);
    assertEquals([direct.code, direct.err], [0, "records and claims agree now"]);
    assertEquals(await agent.call("ipam", "check", "--repair"), {
      code: 0,
      out: "",
      err: "records and claims agree",
    });
    // A pod whose endpoint an operator has removed by hand: its address may not be assigned.
    await agent.stop("SIGKILL");
    await store.commit([], [{ key: "endpoints/tenant-one/orange/myContainer1", value: undefined }]);
    const kept = await agent.call("ipam", "check", "--repair", "--store", url);
    assertEquals(kept.code, 1);
    const named = "members/~names/myContainer1/tenant-one/orange/myContainer1";
    assertEquals(kept.out.trim().split("\n"), [
      `kept ${ip(1)}: pod default/myContainer1 on host1 has it`,
      // Where hosts share the store, endpoints are found by an index.
      ...etcd ? [`released ${named}: index document without a record`] : [],
    ]);
    assertMatch(kept.err, /1 differences are left; apply the intent again/);
    assertEquals(await keysNow(), whole);
  });
}
