import { assertEquals } from "@std/assert";
import { cacheOf, hopOf } from "../../../../lib/ovs/tunnel/vtep_neighbours.ts";

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
