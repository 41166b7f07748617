// Pairs removed, one and many, ours and others': one suite over both drivers.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openLinks } from "../../lib/net/open_links.ts";
import { Fault } from "../../lib/util/errors.ts";
import { run } from "../../lib/util/run.ts";
import { randomHex } from "../lab/pod.ts";
import { linkHere, linksHere, makeSandbox } from "../lab/sandbox.ts";

for (const driver of ["netlink", "ip"] as const) {
  const links = openLinks({ driver, aliasPrefix: "k8contivnet:" });

  Deno.test(`${driver}: a removed pair is gone at both ends, and may be removed again`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    await links.removeLinks([spec.hostEnd]);
    assertEquals([await linkHere(spec.hostEnd), await sandbox.link()], [undefined, undefined]);
    await links.removeLinks([spec.hostEnd]);
    await links.removeLinks([spec.hostEnd, "cvnever"]);
    await links.removeLinks([]);
    await links.createPair(spec);
    await links.removeLinks([spec.hostEnd, spec.hostEnd, "cvnever"]);
    assertEquals([await linkHere(spec.hostEnd), await sandbox.link()], [undefined, undefined]);
  });

  Deno.test(`${driver}: fifty pairs made at once are all there, and go at once`, async () => {
    await using sandbox = await makeSandbox();
    const before = (await linksHere()).length;
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
    assertEquals((await linksHere()).length, before);
    assertEquals(await links.podLinks(sandbox.netns), []);
  });

  Deno.test(`${driver}: the event loop turns while fifty pairs are removed`, async () => {
    await using sandbox = await makeSandbox();
    const specs = Array.from(
      { length: 50 },
      (_, at) => sandbox.spec({ interface: `net${at}`, addresses: [], gateway: undefined }),
    );
    for (const spec of specs) await links.createPair(spec);
    let [longest, last, turns] = [0, performance.now(), 0];
    const timer = setInterval(() => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
      turns++;
    }, 1);
    const begun = performance.now();
    await links.removeLinks(specs.map(({ hostEnd }) => hostEnd));
    const tookMs = performance.now() - begun;
    clearInterval(timer);
    // A call that held the loop through the whole removal would leave no turn in it.
    assert(turns >= 2, `${turns} turns, the longest ${longest} ms, in ${tookMs} ms`);
    assert(longest < Math.max(25, tookMs * 0.7), `held for ${longest} of ${tookMs} ms`);
  });

  Deno.test(`${driver}: a link of somebody else's is never removed, whatever it is called`, async () => {
    await using sandbox = await makeSandbox();
    const foreign = `cv${randomHex(11)}`;
    const [one, two] = [sandbox.spec(), sandbox.spec({ interface: "net1", gateway: undefined })];
    await run("ip", ["link", "add", "name", foreign, "type", "veth", "peer", "name", "far0"]);
    try {
      for (const alias of ["", "somebody", "xk8contivnet:"]) {
        await run("ip", ["link", "set", "dev", foreign, "alias", alias]);
        await links.createPair(one);
        await links.createPair(two);
        const names = [one.hostEnd, foreign, two.hostEnd];
        const fault = await assertRejects(() => links.removeLinks(names), Fault, foreign);
        assertEquals(fault.code, "conflict");
        await assertRejects(() => links.removeLinks([foreign, "lo"]), Fault, "lo");
        assert(await linkHere(foreign));
        assertEquals(await links.hostEnds(), []);
      }
    } finally {
      await run("ip", ["link", "del", "dev", foreign]);
    }
  });

  Deno.test(`${driver}: links of other groups stay when ours go together`, async () => {
    await using sandbox = await makeSandbox();
    const others = ["other0", "other1", "other2"];
    for (const [at, name] of others.entries()) {
      const group = ["group", String(at * 1000)];
      await run("ip", ["link", "add", "name", name, ...group, "type", "veth"]);
    }
    try {
      const specs = ["a", "b", "c"].map((name) =>
        sandbox.spec({ interface: name, gateway: undefined })
      );
      for (const spec of specs) await links.createPair(spec);
      await links.removeLinks(specs.map(({ hostEnd }) => hostEnd));
      for (const name of others) assert(await linkHere(name), name);
    } finally {
      for (const name of others) await run("ip", ["link", "del", "dev", name]);
    }
  });

  Deno.test(`${driver}: removals and makings side by side leave what was asked for`, async () => {
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
  });

  Deno.test(`${driver}: two hundred rounds leave no file open`, async () => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    const round = async () => {
      await links.createPair(spec);
      await links.ensurePodSide(spec);
      await links.podLinks(spec.netns);
      await assertRejects(() => links.createPair(spec), Fault);
      await links.removeLinks([spec.hostEnd]);
      await assertRejects(() => links.createPair({ ...spec, netnsInode: 1 }), Fault);
    };
    // Commands make the plain driver slow and the runtime closes their pipes: ten tell as much.
    const rounds = driver === "ip" ? 10 : 200;
    await round();
    const before = openFiles();
    for (let done = 0; done < rounds; done++) await round();
    assertEquals(openFiles(), before);
  });
}

function openFiles(): number {
  return [...Deno.readDirSync("/proc/self/fd")].length;
}
