import { assertEquals } from "@std/assert";
import { LinkRemovals } from "../../../../lib/agent/pods/link_removals.ts";
import { Mtus } from "../../../../lib/agent/pods/mtus.ts";
import type { NetworkRecord } from "../../../../lib/intent/records.ts";
import type { Links } from "../../../../lib/net/links.ts";
import { MemoryLog } from "../../../memory/memory_log.ts";

const BLUE = { tenant: "t", name: "blue", encap: "vxlan" } as NetworkRecord;

const documentsOf = (vteps: readonly string[], mtus: readonly number[] = []) =>
  new Map<string, { readonly value: unknown; readonly revision: number }>([
    ...vteps.map((vtepIp, n) =>
      [`hosts/h${n}`, { value: { schema: 1, name: `h${n}`, vtepIp }, revision: 1 }] as const
    ),
    ...mtus.map((mtu, n) =>
      [`agents/h${n}`, {
        value: { schema: 1, host: `h${n}`, instance: "a", beat: 1, mtu },
        revision: 1,
      }] as const
    ),
  ]);

/** Links of a host where the addresses have these MTUs; counts how often it is asked. */
function linksWith(mtuOf: Readonly<Record<string, number>>) {
  const calls: string[] = [];
  const links = {
    linkMtu: (address: string) => {
      calls.push(address);
      return Promise.resolve(mtuOf[address]);
    },
  } as Pick<Links, "linkMtu"> as Links;
  return { links, calls };
}

Deno.test("Mtus takes the smallest MTU of all tunnel links, less the overhead", async () => {
  const { links } = linksWith({ "192.0.2.1": 9_000 });
  const mtus = new Mtus(links, new MemoryLog());
  await mtus.measure(documentsOf(["192.0.2.1", "192.0.2.2"], [9_000, 1_600]));
  assertEquals([mtus.own, mtus.of(BLUE), mtus.of({ ...BLUE, encap: "vlan" })], [
    9_000,
    1_550,
    1_500,
  ]);
});

Deno.test("Mtus warns once for a network whose MTU it has to assume", async () => {
  const log = new MemoryLog();
  const mtus = new Mtus(linksWith({}).links, log);
  await mtus.measure(documentsOf(["192.0.2.1"]));
  assertEquals([mtus.own, mtus.of(BLUE), mtus.of(BLUE)], [undefined, 1_450, 1_450]);
  assertEquals(log.lines.length, 1);
  assertEquals(mtus.of({ ...BLUE, mtu: 1_400 }), 1_400);
});

Deno.test("follow() measures again only when the tunnel addresses have changed", async () => {
  const { links, calls } = linksWith({ "192.0.2.1": 1_500, "192.0.2.2": 1_400 });
  const mtus = new Mtus(links, new MemoryLog());
  for (let n = 0; n < 2; n++) await mtus.follow(documentsOf(["192.0.2.1"]));
  assertEquals([calls.length, mtus.own], [1, 1_500]);
  await mtus.follow(documentsOf(["192.0.2.2"]));
  assertEquals([calls.length, mtus.own], [2, 1_400]);
});

Deno.test("LinkRemovals deletes links of a burst together, and leaves them if that fails", async () => {
  const removed: (readonly string[])[] = [];
  let isBroken = false;
  const links = {
    removeLinks: (names: readonly string[]) => {
      if (isBroken) return Promise.reject(new Error("no memory"));
      removed.push(names);
      return Promise.resolve();
    },
  } as Pick<Links, "removeLinks"> as Links;
  const log = new MemoryLog();
  let left = 0;
  const removals = new LinkRemovals(links, log, () => left++);
  await removals.add([]);
  await Promise.all([removals.add(["a"]), removals.add(["b", "c"])]);
  assertEquals([removed, left], [[["a", "b", "c"]], 0]);
  isBroken = true;
  await removals.add(["d"]);
  assertEquals([removed.length, left, log.lines.length], [1, 1, 1]);
});
