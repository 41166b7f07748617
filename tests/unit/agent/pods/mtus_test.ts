import { assertEquals } from "@std/assert";
import { LinkRemovals } from "../../../../lib/agent/pods/link_removals.ts";
import { Mtus } from "../../../../lib/agent/pods/mtus.ts";
import { IndexedDocuments } from "../../../../lib/intent/indexed_documents.ts";
import type { Document, NetworkRecord } from "../../../../lib/intent/records.ts";
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
  const calls: (readonly string[])[] = [];
  const links = {
    linkMtus: (addresses: readonly string[]) => {
      calls.push(addresses);
      return Promise.resolve(addresses.flatMap((one) => mtuOf[one] ?? []));
    },
  } as Pick<Links, "linkMtus"> as Links;
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

Deno.test("measure() asks the kernel once for the addresses of 5,000 hosts", async () => {
  const vteps = Array.from({ length: 5_000 }, (_, n) => `192.0.${n >> 8}.${n & 255}`);
  const { links, calls } = linksWith({ "192.0.2.7": 9_000 });
  const mtus = new Mtus(links, new MemoryLog());
  await mtus.measure(documentsOf(vteps));
  assertEquals([calls.length, mtus.own], [1, 9_000]);
});

Deno.test("a set-up waits for what another one measures after a change of hosts", async () => {
  const documents = new IndexedDocuments();
  const hosts = (vtepIp: string) =>
    documentsOf([vtepIp]).forEach((document, key) => documents.set(key, document as Document));
  hosts("192.0.2.1");
  const answers: PromiseWithResolvers<number[]>[] = [];
  const linkMtus = () => {
    answers.push(Promise.withResolvers());
    return answers.at(-1)!.promise;
  };
  const mtus = new Mtus({ linkMtus } as Pick<Links, "linkMtus"> as Links, new MemoryLog());
  const setups = [mtus.follow(documents), mtus.follow(documents)]
    .map((setup) => setup.then(() => mtus.own));
  answers.forEach(({ resolve }) => resolve([9_000]));
  assertEquals(await Promise.all(setups), [9_000, 9_000]);
  const asked = answers.length;
  documents.set("endpoints/t/blue/web", { value: {}, revision: 2 });
  await mtus.follow(documents);
  assertEquals(answers.length, asked);
  hosts("192.0.2.2");
  const last = mtus.follow(documents);
  answers.at(-1)!.resolve([1_400]);
  await last;
  assertEquals([answers.length, mtus.own], [asked + 1, 1_400]);
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
