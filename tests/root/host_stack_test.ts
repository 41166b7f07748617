// The driver of the host's stack, with and without the kernel's notifications, on a real kernel and nftables.
// The link to pods is a veth pair here: who makes it does not matter.

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { HostStack } from "../../lib/net/host/host_stack.ts";
import { openHostStack } from "../../lib/net/host/open_host_stack.ts";
import { openHostEvents } from "../../lib/net/open_links.ts";
import { hostSideOf } from "../../lib/reach/host_side.ts";
import { Fault } from "../../lib/util/errors.ts";
import { blueRedAndSys, reachModel, reachNetwork } from "../fixtures/reach_models.ts";
import { scaled } from "../lab/limits.ts";
import { run } from "../lab/run.ts";
import { waitFor } from "../lab/wait.ts";

const DEVICE = "contivHost";
const SIDE = hostSideOf(blueRedAndSys());

const ip = (...args: string[]) => run("ip", args);
const table = () => run("nft", ["-s", "list", "table", "ip", "k8contivnet"]);
const read = async (key: string) => (await Deno.readTextFile(`/proc/sys/${key}`)).trim();

async function makeDevice(): Promise<void> {
  await ip("link", "add", DEVICE, "type", "veth", "peer", "name", "hostPeer");
  await ip("link", "set", "hostPeer", "up");
}

async function removeDevice(): Promise<void> {
  await ip("link", "del", DEVICE).catch(() => {});
}

for (const driver of ["netlink", "ip"] as const) {
  const onHost = (name: string, test: (stack: HostStack) => Promise<void>) =>
    Deno.test(`${driver}: ${name}`, async () => {
      await using end = new AsyncDisposableStack();
      await makeDevice();
      end.defer(removeDevice);
      const stack = openHostStack({ openEvents: (names) => openHostEvents({ driver }, names) });
      end.defer(() => stack.close());
      end.defer(() => stack.removeFilter("k8contivnet"));
      await test(stack);
    });

  onHost("makes all of it; twice changes nothing, and nothing has drifted", async (stack) => {
    for (let n = 0; n < 2; n++) {
      assertEquals(await stack.ensure(SIDE, { isFresh: true }), { problems: [] });
      const addresses = await ip("-4", "-o", "address", "show", "dev", DEVICE);
      assertEquals([...addresses.matchAll(/inet (\S+)/g)].map((one) => one[1]), [
        "100.66.0.1/32",
        "100.65.0.1/32",
      ]);
      assertEquals(
        (await ip("-4", "route", "show", "dev", DEVICE)).split("\n").map((line) => line.trim())
          .sort(),
        [
          "10.1.1.0/24 via 169.254.1.1 src 100.65.0.1 onlink mtu 1450",
          "10.9.9.0/24 via 169.254.1.1 src 100.65.0.1 onlink mtu 1400",
          "10.96.0.0/12 via 169.254.1.1 src 100.65.0.1 onlink",
          "100.64.0.0/16 via 169.254.1.1 src 100.65.0.1 onlink mtu 1450",
        ].sort(),
      );
      assertStringIncludes(await ip("neighbour", "show", "dev", DEVICE), "PERMANENT");
      assertEquals(await read("net/ipv4/ip_forward"), "1");
      assertEquals(await read(`net/ipv4/conf/${DEVICE}/rp_filter`), "2");
      assertStringIncludes(await table(), "10.1.1.0/24 . 10.9.9.0/24");
      assertEquals(await stack.hasDrifted(), false);
    }
  });

  onHost(
    "spreads what comes in over all processors, but not over an operator's choice",
    async (stack) => {
      const file = `/sys/class/net/${DEVICE}/queues/rx-0/rps_cpus`;
      const mask = async () => Number(`0x${(await Deno.readTextFile(file)).replaceAll(",", "")}`);
      await stack.ensure(SIDE, { isFresh: true });
      const count = navigator.hardwareConcurrency;
      if (count < 32) assertEquals(await mask(), count < 2 ? 0 : 2 ** count - 1);
      await Deno.writeTextFile(file, "1");
      await stack.ensure(SIDE, { isFresh: true });
      assertEquals(await mask(), 1);
    },
  );

  const drifts: readonly { what: string; act: () => Promise<unknown> }[] = [
    { what: "nft flush ruleset", act: () => run("nft", ["flush", "ruleset"]) },
    {
      what: "one element removed",
      act: () => run("nft", ["delete", "element", "ip", "k8contivnet", "host", "{ 10.1.1.0/24 }"]),
    },
    {
      what: "one rule added",
      act: () => run("nft", ["insert", "rule", "ip", "k8contivnet", "input", "accept"]),
    },
    { what: "ip_forward off", act: () => run("sysctl", ["-qw", "net.ipv4.ip_forward=0"]) },
    { what: "link down", act: () => ip("link", "set", DEVICE, "down") },
    { what: "an address gone", act: () => ip("address", "del", "100.66.0.1/32", "dev", DEVICE) },
    { what: "all addresses gone", act: () => ip("address", "flush", "dev", DEVICE) },
    { what: "a route gone", act: () => ip("route", "del", "10.9.9.0/24", "dev", DEVICE) },
    {
      what: "a route replaced",
      act: () =>
        ip("route", "replace", "10.9.9.0/24", "via", "169.254.1.1", "dev", DEVICE, "onlink"),
    },
    {
      what: "the neighbour gone",
      act: () => ip("neighbour", "del", "169.254.1.1", "dev", DEVICE),
    },
  ];
  for (const { what, act } of drifts) {
    onHost(`${what}: it is noticed, and made right`, async (stack) => {
      await stack.ensure(SIDE, { isFresh: true });
      await stack.hasDrifted();
      const before = await table();
      await act();
      await waitFor("the drift", () => stack.hasDrifted());
      await stack.ensure(SIDE, { isFresh: true });
      assertEquals(await table(), before);
      assertEquals(await stack.hasDrifted(), false);
      const fresh = openHostStack({ openEvents: () => undefined });
      await fresh.ensure(SIDE, { isFresh: true });
      assertEquals(await fresh.hasDrifted(), false);
      assertEquals(await read("net/ipv4/ip_forward"), "1");
    });
  }

  onHost(
    "a link that is missing, or renamed, is not_found; the packet filter stands",
    async (stack) => {
      await ip("link", "set", DEVICE, "name", "other");
      try {
        const error = await assertRejects(() => stack.ensure(SIDE), Fault);
        assertEquals(error.code, "not_found");
        assertStringIncludes(await table(), "chain forward");
      } finally {
        await ip("link", "del", "other");
      }
    },
  );

  onHost(
    "elements that come and go leave the rest of the table as it is, with its counters",
    async (stack) => {
      await stack.ensure(SIDE);
      const handles = await run("nft", [
        "-a",
        "-s",
        "list",
        "chain",
        "ip",
        "k8contivnet",
        "forward",
      ]);
      const [blue, sys, red] = blueRedAndSys().networks;
      assert(blue && sys && red);
      const more = reachModel([blue, sys, {
        ...red,
        local: [...red.local, {
          address: "10.1.1.2",
          mac: "02:02:0a:01:01:02",
          alias: { address: "100.64.0.2", hairpin: "100.64.128.2" },
        }],
      }]);
      await stack.ensure(hostSideOf(more));
      assertStringIncludes(await table(), "100.64.0.2 . 10.1.1.2 : 100.64.128.2");
      assertEquals(
        await run("nft", ["-a", "-s", "list", "chain", "ip", "k8contivnet", "forward"]),
        handles,
      );
      await stack.ensure(SIDE);
      assert(!(await table()).includes("100.64.0.2"));
    },
  );

  onHost("elements for a table that somebody has flushed make all of it anew", async (stack) => {
    await stack.ensure(hostSideOf(reachModel([reachNetwork("t/a", "10.1.1.0/24", [])])));
    await run("nft", ["flush", "ruleset"]);
    await stack.ensure(hostSideOf(reachModel([reachNetwork("t/a", "10.1.1.0/24", ["host"])])));
    assertStringIncludes(await table(), "chain forward");
  });

  onHost("a route of the host's own is left alone and reported", async (stack) => {
    await ip("route", "add", "10.9.9.0/24", "dev", "hostPeer");
    const { problems } = await stack.ensure(SIDE);
    assertEquals(problems.map(({ code }) => code), ["conflict"]);
    assertStringIncludes(await ip("route", "show", "10.9.9.0/24"), "dev hostPeer");
    assertEquals(await stack.overlappingRoutes("10.9.0.0/16", DEVICE), ["10.9.9.0/24 on hostPeer"]);
    await ip("route", "del", "10.9.9.0/24", "dev", "hostPeer");
    await waitFor("the drift", () => stack.hasDrifted());
    assertEquals((await stack.ensure(SIDE, { isFresh: true })).problems, []);
    assertStringIncludes(await ip("route", "show", "10.9.9.0/24"), "src 100.65.0.1");
  });
}

Deno.test("netlink: flushed rules are reported at once, and by far before they are looked at", async () => {
  await using end = new AsyncDisposableStack();
  await makeDevice();
  end.defer(removeDevice);
  const stack = openHostStack({
    openEvents: (names) => openHostEvents({ driver: "netlink" }, names),
  });
  // The last wait of its thread.
  end.defer(() => new Promise((done) => setTimeout(done, 1_000)));
  end.defer(() => stack.close());
  end.defer(() => stack.removeFilter("k8contivnet"));
  let last = 0;
  stack.onChange(() => last = performance.now());
  await stack.ensure(SIDE, { isFresh: true });
  await new Promise((done) => setTimeout(done, 500)); // what was made here
  assertEquals(await stack.hasDrifted(), false);
  const flushed = performance.now();
  await run("nft", ["flush", "ruleset"]);
  await waitFor("the report", () => last > flushed);
  assert(last - flushed < scaled(900), `${last - flushed} ms`);
  assertEquals(await stack.hasDrifted(), true);
});

Deno.test("hindrances are a missing default route, and packet filters that drop what is forwarded", async () => {
  await using end = new AsyncDisposableStack();
  await makeDevice();
  end.defer(removeDevice);
  end.defer(async () => void await run("nft", ["flush", "ruleset"]));
  const stack = openHostStack({ openEvents: () => undefined });
  const found = async () => (await stack.hindrances(DEVICE)).map(({ what }) => what).join("\n");
  assertStringIncludes(await found(), "no default route");
  await ip("address", "add", "192.0.2.1/24", "dev", "hostPeer");
  await ip("route", "add", "default", "via", "192.0.2.2");
  assertEquals(await found(), "");
  // As Docker's daemon does with iptables over nftables.
  await run("iptables-nft", ["-N", "DOCKER-USER"]);
  await run("iptables-nft", ["-A", "FORWARD", "-j", "DOCKER-USER"]);
  await run("iptables-nft", ["-P", "FORWARD", "DROP"]);
  assertStringIncludes(await found(), "Docker drops what this host forwards");
  const [docker] = await stack.hindrances(DEVICE);
  for (const command of docker?.fix.split(" && ") ?? []) {
    const [, ...args] = command.split(" ");
    await run("iptables-nft", args);
  }
  assertEquals(await found(), "");
});

Deno.test("hindrances are a kube-proxy that masquerades all, or that does not know pods by their link", async () => {
  await using end = new AsyncDisposableStack();
  await makeDevice();
  end.defer(removeDevice);
  end.defer(async () => void await run("nft", ["flush", "ruleset"]));
  const stack = openHostStack({ openEvents: () => undefined });
  const found = async () => (await stack.hindrances(DEVICE)).map(({ what }) => what).join("\n");
  const nat = (...args: string[]) => run("iptables-nft", ["-t", "nat", ...args]);
  const withRule = async (...match: string[]) => {
    await nat("-F", "KUBE-SVC-A");
    await nat("-A", "KUBE-SVC-A", ...match, "-d", "10.96.0.1/32", "-j", "KUBE-MARK-MASQ");
    return await found();
  };
  await nat("-N", "KUBE-MARK-MASQ");
  await nat("-N", "KUBE-SVC-A");
  assert(!(await found()).includes("kube-proxy"));
  assertStringIncludes(await withRule(), "kube-proxy masquerades all connections");
  assertStringIncludes(await withRule("!", "-s", "10.244.0.0/16"), "those of pods to services");
  assert(!(await withRule("!", "-i", "contivHost")).includes("kube-proxy"));
  assert(!(await withRule("!", "-i", "contiv+")).includes("kube-proxy"));
  await nat("-N", "KUBE-SERVICES");
  await nat("-A", "KUBE-SERVICES", "-d", "10.96.0.1/32", "-j", "KUBE-MARK-MASQ");
  assertStringIncludes(await found(), "kube-proxy masquerades all connections");
});
