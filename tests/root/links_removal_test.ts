// What removals cost, and which links they spare, on a real kernel; the rest is in the contract of links.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { openLinks } from "../../lib/net/open_links.ts";
import { Fault } from "../../lib/util/errors.ts";
import { run } from "../lab/run.ts";
import { linkHere, makeSandbox } from "../lab/sandbox.ts";

for (const driver of ["netlink", "ip"] as const) {
  const links = openLinks({ driver, aliasPrefix: "k8contivnet:" });

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
    // Commands make the plain driver slow and the runtime closes their pipes: ten show as much.
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
