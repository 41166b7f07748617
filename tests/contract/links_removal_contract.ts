// What every driver of links promises about removal: one pair and many, ours and others'.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Fault } from "../../lib/util/errors.ts";
import { randomHex } from "../lab/pod.ts";
import type { Declare } from "./links_contract.ts";

/** Declares the tests. */
export function removalContract(promise: Declare): void {
  promise(
    "a removed pair is gone at both ends, and may be removed again",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec();
      const bothEnds = async () => [await host.link(spec.hostEnd), await sandbox.link("eth0")];
      await links.createPair(spec);
      await links.removeLinks([spec.hostEnd]);
      assertEquals(await bothEnds(), [undefined, undefined]);
      await links.removeLinks([spec.hostEnd]);
      await links.removeLinks([spec.hostEnd, "cvnever"]);
      await links.removeLinks([]);
      await links.createPair(spec);
      await links.removeLinks([spec.hostEnd, spec.hostEnd, "cvnever"]);
      assertEquals(await bothEnds(), [undefined, undefined]);
    },
  );

  promise(
    "fifty pairs made at once are all there, and go at once",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const before = (await host.links()).length;
      const specs = Array.from({ length: 50 }, (_, at) =>
        sandbox.spec({
          interface: `net${at}`,
          mac: `02:02:0b:01:01:${at.toString(16).padStart(2, "0")}`,
          addresses: [`11.1.1.${at + 1}/24`],
          gateway: undefined,
        }));
      await Promise.all(specs.map((spec) => links.createPair(spec)));
      assertEquals((await links.hostEnds()).length, 50);
      const seen = await links.podLinks(sandbox.netns);
      for (const { interface: name, mac, mtu, addresses } of specs) {
        const link = seen.find((one) => one.name === name);
        assertEquals(link, { name, mac, mtu, isUp: true, addresses: [...addresses] });
      }
      await links.removeLinks(specs.map(({ hostEnd }) => hostEnd));
      assertEquals((await host.links()).length, before);
      assertEquals(await links.podLinks(sandbox.netns), []);
    },
  );

  promise(
    "a link that is not ours is never removed, whatever its name",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const foreign = `cv${randomHex(11)}`;
      const [one, two] = [
        sandbox.spec(),
        sandbox.spec({ interface: "net1", gateway: undefined }),
      ];
      await host.addLink({ name: foreign });
      try {
        for (const alias of ["", "somebody", "xk8contivnet:"]) {
          await host.changeLink({ name: foreign, alias });
          await links.createPair(one);
          await links.createPair(two);
          const names = [one.hostEnd, foreign, two.hostEnd];
          const fault = await assertRejects(() => links.removeLinks(names), Fault, foreign);
          assertEquals(fault.code, "conflict");
          await assertRejects(() => links.removeLinks([foreign, "lo"]), Fault, "lo");
          assert(await host.link(foreign));
          assertEquals(await links.hostEnds(), []);
        }
      } finally {
        await host.deleteLink(foreign);
      }
    },
  );

  promise(
    "removals and creations side by side leave what was asked for",
    async ({ links, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const specs = Array.from(
        { length: 24 },
        (_, at) => sandbox.spec({ interface: `net${at}`, addresses: [], gateway: undefined }),
      );
      const [old, young] = [specs.slice(0, 12), specs.slice(12)];
      await Promise.all(old.map((spec) => links.createPair(spec)));
      await Promise.all([
        ...old.map(({ hostEnd }) => links.removeLinks([hostEnd])),
        links.removeLinks(old.map(({ hostEnd }) => hostEnd)),
        links.removeLinks(old.slice(3).map(({ hostEnd }) => hostEnd)),
        ...young.map((spec) => links.createPair(spec)),
      ]);
      const names = (await links.hostEnds()).map(({ name }) => name).sort();
      assertEquals(names, young.map(({ hostEnd }) => hostEnd).sort());
      await links.removeLinks(names);
    },
  );
}
