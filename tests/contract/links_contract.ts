// What every driver of links promises, as one suite: pairs made, repaired and seen. Its other parts are
// links_faults_contract.ts and links_removal_contract.ts. Each driver's test calls linksContract() with
// a bench of its own; what only a real kernel has (IPv6, checksums, groups) is in tests/root.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { faultsContract } from "./links_faults_contract.ts";
import type { SeenLink } from "../lab/sandbox.ts";
import type { LinksBench } from "./links_bench.ts";
import { removalContract } from "./links_removal_contract.ts";

type Step = (bench: LinksBench) => Promise<void>;

/** Declares one test of the contract. */
export type Declare = (words: string, step: Step) => void;

/** Declares the tests of the contract for the driver `name`; `start` makes a bench for each. */
export function linksContract(name: string, start: () => LinksBench): void {
  const promise: Declare = (words, step) => Deno.test(`${name}: ${words}`, () => step(start()));
  declareMaking(promise);
  declareRepair(promise);
  declareFollowing(promise);
  declareReads(promise);
  faultsContract(promise);
  removalContract(promise);
}

function declareMaking(promise: Declare): void {
  promise("a pair has at both ends what its spec says", async ({ links, host, makeSandbox }) => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    const hostEnd = await host.link(spec.hostEnd);
    const podEnd = await sandbox.link("eth0");
    assert(hostEnd && podEnd);
    assertEquals([hostEnd.peerIndex, podEnd.peerIndex], [podEnd.index, hostEnd.index]);
    assertEquals([hostEnd.mtu, podEnd.mtu], [1400, 1400]);
    assertEquals([hostEnd.alias, hostEnd.group], [spec.alias, "default"]);
    assertEquals([podEnd.mac, podEnd.ipv4], [spec.mac, spec.addresses]);
    assert(hostEnd.flags.includes("LOWER_UP") && podEnd.flags.includes("LOWER_UP"));
    assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.1 dev eth0");
    await links.removeLinks([spec.hostEnd]);
  });

  const shapes = [
    { addresses: ["10.4.0.7/16"], gateway: "10.4.0.1", mtu: 68 },
    { addresses: ["11.1.0.2/24", "11.1.9.2/24"], gateway: "11.1.9.1", mtu: 65_535 },
    { addresses: ["192.0.2.9/32"], gateway: "192.0.2.1", mtu: 1450 },
    { addresses: ["11.1.0.2/24"], gateway: undefined, mtu: 1280 },
    { addresses: [], gateway: undefined, mtu: 1279 },
  ];
  for (const { addresses, gateway, mtu } of shapes) {
    const words = `${addresses.join(" and ") || "no address"}, gateway ${gateway}, MTU ${mtu}`;
    promise(`a pair may have ${words}`, async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec({ addresses, gateway, mtu });
      await links.createPair(spec);
      const [hostEnd, podEnd] = [await host.link(spec.hostEnd), await sandbox.link("eth0")];
      assertEquals([podEnd?.ipv4, podEnd?.mtu, hostEnd?.mtu], [addresses, mtu, mtu]);
      const onLink = addresses.some((each) => each.endsWith("/32")) ? " onlink" : "";
      const route = gateway ? `default via ${gateway} dev eth0${onLink}` : "";
      assertEquals(await sandbox.defaultRoute(), route);
      await links.ensurePodSide(spec);
      assertEquals(await sandbox.defaultRoute(), route);
      await links.removeLinks([spec.hostEnd]);
    });
  }

  promise(
    "an alias longer than Linux keeps is cut, and the link is still ours",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec({ alias: `k8contivnet:${"x".repeat(400)}` });
      await links.createPair(spec);
      assertEquals((await host.link(spec.hostEnd))?.alias, spec.alias.slice(0, 255));
      await links.ensurePodSide(spec);
      await links.removeLinks([spec.hostEnd]);
      assertEquals(await host.link(spec.hostEnd), undefined);
    },
  );
}

function declareRepair(promise: Declare): void {
  promise("what was changed by hand is repaired, the second time too", async (bench) => {
    const { links, host } = bench;
    await using sandbox = await bench.makeSandbox();
    const spec = sandbox.spec({ addresses: ["11.1.0.2/24", "12.1.0.2/16"] });
    await links.createPair(spec);
    // A down and up, or a small MTU, renews the IPv6 addresses of a link; they are the pod's own matter.
    // The kernel reports the carrier of a new pair a moment after it is up.
    const settled = (link: SeenLink | undefined) => ({
      ...link,
      flags: link?.flags.filter((flag) => flag !== "NO-CARRIER"),
    });
    const bothEnds = async () => [
      settled(await host.link(spec.hostEnd)),
      { ...settled(await sandbox.link("eth0")), ipv6: undefined },
    ];
    const before = await bothEnds();
    const changes: [string, () => Promise<void>][] = [
      ["all addresses removed", () => sandbox.removeAddresses("eth0", spec.addresses)],
      ["one address removed", () => sandbox.removeAddresses("eth0", ["12.1.0.2/16"])],
      ["set down", () => sandbox.changeLink({ name: "eth0", isUp: false })],
      ["default route removed", () => sandbox.setDefaultRoute()],
      [
        "MAC and MTU changed",
        () => sandbox.changeLink({ name: "eth0", mac: "02:00:00:00:00:09", mtu: 900 }),
      ],
      ["default route replaced", () => sandbox.setDefaultRoute("11.1.0.77")],
    ];
    for (const [what, change] of changes) {
      await change();
      assertNotEquals([await bothEnds(), await sandbox.defaultRoute()], [
        before,
        "default via 11.1.0.1 dev eth0",
      ], what);
      await links.ensurePodSide(spec);
      await links.ensurePodSide(spec);
      assertEquals(await bothEnds(), before, what);
      assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.1 dev eth0", what);
    }
    await links.removeLinks([spec.hostEnd]);
  });

  promise(
    "a host end that was set down or given another alias is repaired",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec();
      await links.createPair(spec);
      const name = spec.hostEnd;
      await host.changeLink({ name, alias: "k8contivnet:old", mtu: 1000, isUp: false });
      await links.ensurePodSide(spec);
      const hostEnd = await host.link(name);
      assertEquals([hostEnd?.alias, hostEnd?.mtu, hostEnd?.ipv6], [spec.alias, 1400, []]);
      assert(hostEnd?.flags.includes("UP"));
      await links.removeLinks([name]);
    },
  );

  promise("an address that was added by hand stays", async ({ links, makeSandbox }) => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await links.createPair(spec);
    await sandbox.changeLink({ name: "eth0", addresses: ["172.16.0.1/30"] });
    await links.ensurePodSide(spec);
    assertEquals((await sandbox.link("eth0"))?.ipv4, ["11.1.0.2/24", "172.16.0.1/30"]);
    await links.removeLinks([spec.hostEnd]);
  });

  promise(
    "a pair that was cut off before its alias is seen, finished and removed",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec();
      await sandbox.addHalfMadePair(spec);
      const seen = (await links.hostEnds()).find(({ name }) => name === spec.hostEnd);
      assertEquals(seen, { name: spec.hostEnd, alias: "", isUp: false, mtu: 1500 });
      await links.ensurePodSide(spec);
      assertEquals((await host.link(spec.hostEnd))?.group, "default");
      assertEquals((await sandbox.link("eth0"))?.mac, spec.mac);
      await links.removeLinks([spec.hostEnd]);
      assertEquals(await host.link(spec.hostEnd), undefined);
      await sandbox.addHalfMadePair(spec);
      await links.removeLinks([spec.hostEnd]);
      assertEquals(await host.link(spec.hostEnd), undefined);
    },
  );
}

function declareFollowing(promise: Declare): void {
  promise(
    "ensurePodSide() changes the MTU of both ends while the host end stays up",
    async ({ links, host, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec();
      await links.createPair(spec);
      for (const mtu of [9_000, 1_500, 1_000]) {
        await links.ensurePodSide({ ...spec, mtu });
        const [here, there] = [await host.link(spec.hostEnd), await sandbox.link("eth0")];
        assertEquals([here?.mtu, there?.mtu], [mtu, mtu]);
        assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.1 dev eth0");
      }
      await links.removeLinks([spec.hostEnd]);
    },
  );

  promise(
    "ensurePodSide() replaces the default route, and removes the former one where there is none any more",
    async ({ links, makeSandbox }) => {
      await using sandbox = await makeSandbox();
      const spec = sandbox.spec();
      await links.createPair(spec);
      await links.ensurePodSide({ ...spec, gateway: "11.1.0.7" });
      assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.7 dev eth0");
      const { gateway: _, ...without } = spec;
      await links.ensurePodSide(without);
      assertEquals(await sandbox.defaultRoute(), "default via 11.1.0.7 dev eth0");
      await links.ensurePodSide({ ...without, formerGateway: "11.1.0.7" });
      assertEquals(await sandbox.defaultRoute(), "");
      await links.ensurePodSide({ ...without, formerGateway: "11.1.0.7" });
      await links.removeLinks([spec.hostEnd]);
    },
  );
}

function declareReads(promise: Declare): void {
  promise("hostEnds() returns our links only", async ({ links, host, makeSandbox }) => {
    await using sandbox = await makeSandbox();
    const spec = sandbox.spec();
    await host.addLink({ name: "foreign0", alias: "somebody:k8contivnet:" });
    try {
      await links.createPair(spec);
      const ours = { name: spec.hostEnd, alias: spec.alias, isUp: true, mtu: 1400 };
      assertEquals(await links.hostEnds(), [ours]);
      await host.changeLink({ name: spec.hostEnd, isUp: false });
      assertEquals(await links.hostEnds(), [{ ...ours, isUp: false }]);
    } finally {
      await links.removeLinks([spec.hostEnd]);
      await host.deleteLink("foreign0");
    }
    assertEquals(await links.hostEnds(), []);
  });

  promise("podLinks() returns our links and others", async ({ links, makeSandbox }) => {
    await using sandbox = await makeSandbox();
    assertEquals(await links.podLinks(sandbox.netns), []);
    const spec = sandbox.spec({ interface: "net1", addresses: ["11.1.0.2/24", "11.1.0.3/32"] });
    const foreign = { name: "eth0", mac: "02:42:ac:11:00:02", addresses: ["172.17.0.2/16"] };
    await sandbox.addLink(foreign);
    await links.createPair(spec);
    const seen = await links.podLinks(sandbox.netns, sandbox.inode);
    assertEquals(seen.map(({ name }) => name).sort(), ["eth0", "eth0x", "net1"]);
    const other = seen.find(({ name }) => name === "eth0");
    assertEquals(other, { ...foreign, mtu: 1500, isUp: false });
    const { mac, mtu, addresses } = spec;
    const ours = seen.find(({ name }) => name === "net1");
    assertEquals(ours, { name: "net1", mac, mtu, isUp: true, addresses });
    await links.removeLinks([spec.hostEnd]);
  });

  promise("podGateways() returns the next hop of a sandbox's default route", async (bench) => {
    const { links, makeSandbox } = bench;
    await using sandbox = await makeSandbox();
    assertEquals(await links.podGateways(sandbox.netns), []);
    const spec = sandbox.spec();
    await links.createPair(spec);
    assertEquals(await links.podGateways(sandbox.netns, sandbox.inode), [spec.gateway]);
    await sandbox.setDefaultRoute();
    assertEquals(await links.podGateways(sandbox.netns, sandbox.inode), []);
    await links.removeLinks([spec.hostEnd]);
  });

  promise("linkMtus() finds the links of addresses of this namespace", async ({ links, host }) => {
    const addresses = ["198.51.100.7/24", "198.51.100.8/24"];
    await host.addLink({ name: "vtep0", mtu: 1476, addresses });
    try {
      assertEquals(await links.linkMtus(["198.51.100.7"]), [1476]);
      assertEquals(await links.linkMtus(["198.51.100.9", "198.51.100.8", "198.51.100.7"]), [1476]);
      assertEquals(await links.linkMtus(["198.51.100.9"]), []);
      assertEquals(await links.linkMtus([]), []);
      assertEquals((await links.linkMtus(["127.0.0.1", "198.51.100.7"])).length, 2);
    } finally {
      await host.deleteLink("vtep0");
    }
  });

  promise("defaultRouteLinks() returns the link of the default route", async ({ links, host }) => {
    assertEquals(await links.defaultRouteLinks(), []);
    await host.addLink({ name: "up0", isUp: true, addresses: ["198.51.100.7/24"] });
    try {
      await host.setDefaultRoute("198.51.100.1");
      assertEquals(await links.defaultRouteLinks(), ["up0"]);
      await host.setDefaultRoute();
      assertEquals(await links.defaultRouteLinks(), []);
    } finally {
      await host.deleteLink("up0");
    }
  });
}
