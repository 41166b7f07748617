import { assertEquals } from "@std/assert";
import { cacheOf, hopOf, NextHops } from "../../../../lib/ovs/tunnel/vtep_neighbours.ts";

const routes = [
  { name: "the VTEP on a link", text: "src 10.0.0.1\ngateway ::\ndev br0\n", want: "10.0.0.2 br0" },
  {
    name: "the VTEP where no gateway is printed",
    text: "src 10.0.0.1\ndev br0",
    want: "10.0.0.2 br0",
  },
  { name: "a gateway", text: "src 10.0.0.1\ngateway 10.0.0.254\ndev br0", want: "10.0.0.254 br0" },
  { name: "nothing without a route", text: "", want: undefined },
];
for (const { name, text, want } of routes) {
  Deno.test(`hopOf() returns ${name}`, () => {
    const hop = hopOf("10.0.0.2", text);
    assertEquals(hop && `${hop.address} ${hop.device}`, want);
  });
}

Deno.test("cacheOf() reads addresses, MACs and bridges, and no headings", () => {
  const text = [
    "IP                                            MAC                 Bridge",
    "==========================================================================",
    "192.168.77.2                                  de:6b:04:14:03:4d   underlay",
    "fe80::1                                       de:6b:04:14:03:4e   underlay",
  ].join("\n");
  assertEquals([...cacheOf(text)], [
    ["underlay 192.168.77.2", "de:6b:04:14:03:4d"],
    ["underlay fe80::1", "de:6b:04:14:03:4e"],
  ]);
});

/** An ovs-vswitchd with a route to these addresses; `lookups` are those asked for. */
function routesTo(...addresses: string[]) {
  const lookups: string[] = [];
  const routes = new Map(addresses.map((address) => [address, "br0"]));
  const ask = (command: string, [vtep = ""]: readonly string[]) => {
    if (command === "ovs/route/show") {
      const lines = [...routes].map(([to, device]) => `Cached: ${to}/32 dev ${device}`);
      return Promise.resolve(lines.sort(() => Math.random() - 0.5).join("\n"));
    }
    lookups.push(vtep);
    const device = routes.get(vtep);
    return device ? Promise.resolve(`dev ${device}\n`) : Promise.reject(new Error("Not found"));
  };
  return { ask, lookups, routes };
}

const devicesOf = (hops: readonly { readonly vtep: string; readonly device: string }[]) =>
  hops.map(({ vtep, device }) => `${vtep} ${device}`);

Deno.test("NextHops looks each VTEP up once, and a new one when it comes", async () => {
  const { ask, lookups } = routesTo("10.0.0.1", "10.0.0.2", "10.0.0.3");
  const hops = new NextHops();
  const two = ["10.0.0.1", "10.0.0.2"];
  for (let n = 0; n < 3; n++) {
    assertEquals(devicesOf(await hops.to(two, ask)), ["10.0.0.1 br0", "10.0.0.2 br0"]);
  }
  assertEquals(lookups, two);
  await hops.to([...two, "10.0.0.3"], ask);
  assertEquals(lookups, [...two, "10.0.0.3"]);
});

Deno.test("NextHops looks all up again when a route has changed, and each time one that has none", async () => {
  const { ask, lookups, routes } = routesTo("10.0.0.1", "10.0.0.2");
  const hops = new NextHops();
  const all = ["10.0.0.1", "10.0.0.2", "10.0.0.9"];
  assertEquals((await hops.to(all, ask)).length, 2);
  assertEquals((await hops.to(all, ask)).length, 2);
  assertEquals(lookups, [...all, "10.0.0.9"]);
  routes.set("10.0.0.2", "br1");
  assertEquals(devicesOf(await hops.to(all, ask)), ["10.0.0.1 br0", "10.0.0.2 br1"]);
});
