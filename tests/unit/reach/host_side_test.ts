import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { hostSideOf } from "../../../lib/reach/host_side.ts";
import { PacketFilterReader } from "./packet_filter_reader.ts";
import { blueRedAndSys, reachModel, reachNetwork } from "../../fixtures/reach_models.ts";

Deno.test("hostSideOf() has NAT first, then NODE, as masquerading takes the first address", () => {
  assertEquals(hostSideOf(blueRedAndSys()).addresses, ["100.66.0.1", "100.65.0.1"]);
});

Deno.test("hostSideOf() routes the subnets of owners, aliases and services, each from NODE", () => {
  assertEquals(hostSideOf(blueRedAndSys()).routes, [
    { to: "10.1.1.0/24", source: "100.65.0.1", mtu: 1_450 },
    { to: "10.9.9.0/24", source: "100.65.0.1", mtu: 1_400 },
    { to: "100.64.0.0/16", source: "100.65.0.1", mtu: 1_450 },
    { to: "10.96.0.0/12", source: "100.65.0.1" },
  ]);
});

Deno.test("hostSideOf() has no route to aliases where no network is aliased", () => {
  const { routes } = hostSideOf(reachModel([reachNetwork("t/n", "10.1.1.0/24", [])]));
  assertEquals(routes.map(({ to }) => to), ["10.1.1.0/24", "10.96.0.0/12"]);
});

Deno.test("a CIDR of services within another one is left out: nft refuses intervals that overlap", () => {
  const serviceCidrs = ["10.96.0.10/32", "10.96.0.0/12", "169.254.20.10/32", "10.96.0.0/12"];
  const { routes, filter } = hostSideOf(reachModel([], { serviceCidrs }));
  assertEquals(routes.map(({ to }) => to), ["10.96.0.0/12", "169.254.20.10/32"]);
  assertEquals(filter.elements.service_cidrs, ["10.96.0.0/12", "169.254.20.10/32"]);
});

Deno.test("packetFilterOf() lists who may reach what: owners by subnet, others by alias", () => {
  const { elements } = hostSideOf(blueRedAndSys()).filter;
  assertEquals(elements.host, ["10.1.1.0/24"]);
  assertEquals(elements.services, ["10.1.1.0/24", "100.64.0.1"]);
  assertEquals(elements.outside, ["10.1.1.0/24", "100.64.0.1"]);
  assertEquals(elements.pods, ["10.1.1.0/24", "10.9.9.0/24", "100.64.0.0/16"]);
});

Deno.test("packetFilterOf() never lets strangers in to a network whose subnet is another one's here", () => {
  const model = reachModel([
    reachNetwork("t1/blue", "10.1.1.0/24", []),
    reachNetwork("t2/red", "10.1.1.0/24", ["ports"], { aliasedBecause: "t1/blue" }),
  ]);
  assertEquals(hostSideOf(model).filter.elements.ports, []);
});

Deno.test("packetFilterOf() keeps a pod's address in its own and in routed networks, not in an aliased one", () => {
  const { elements } = hostSideOf(blueRedAndSys()).filter;
  assertEquals(elements.kept, [
    "10.1.1.0/24 . 10.1.1.0/24",
    "10.1.1.0/24 . 10.9.9.0/24",
    "10.9.9.0/24 . 10.9.9.0/24",
    "10.9.9.0/24 . 10.1.1.0/24",
    "100.64.0.1 . 10.1.1.0/24",
  ]);
  const routed = reachModel([
    reachNetwork("t1/a", "10.1.1.0/24", [], { routedTo: ["t1/c"] }),
    reachNetwork("t1/c", "10.2.2.0/24", [], { aliasedBecause: "t2/c", routedTo: ["t1/a"] }),
    reachNetwork("t2/c", "10.2.2.0/24", []),
  ]);
  assertEquals(hostSideOf(routed).filter.elements.kept, [
    "10.1.1.0/24 . 10.1.1.0/24",
    "10.2.2.0/24 . 10.2.2.0/24",
  ]);
});

Deno.test("packetFilterOf() masquerades a pod's packets to itself as its hairpin alias", () => {
  const { elements } = hostSideOf(blueRedAndSys()).filter;
  assertEquals(elements.hairpins, ["100.64.0.1 . 10.1.1.1 : 100.64.128.1"]);
});

Deno.test("packetFilterOf() does not masquerade a network that the fabric routes", () => {
  const { filter } = hostSideOf(reachModel([
    reachNetwork("t/a", "10.1.1.0/24", ["outside"], { natOutgoing: false }),
    reachNetwork("t/b", "10.2.2.0/24", ["outside"]),
  ]));
  assertEquals(filter.elements.leaving, ["10.2.2.0/24"]);
  assertEquals(filter.elements.pods, ["10.1.1.0/24", "10.2.2.0/24"]);
});

Deno.test("the definition names this host's addresses, and every set that has elements", () => {
  const { definition, elements } = hostSideOf(blueRedAndSys()).filter;
  assertStringIncludes(definition, "snat to 100.66.0.1\n");
  assertStringIncludes(definition, "{ 100.65.0.1, 100.66.0.1 } snat to 100.65.0.1");
  for (const name of Object.keys(elements)) assert(definition.includes(` ${name} {`), name);
});

Deno.test("hostSideOf() routes what no owner has of an aliased subnet to the switch, too", () => {
  const model = reachModel([
    reachNetwork("t1/a", "10.1.1.0/24", []),
    reachNetwork("t2/wide", "10.1.0.0/16", [], { aliasedBecause: "t1/a", mtu: 1_300 }),
    reachNetwork("t3/narrow", "10.1.1.0/25", [], { aliasedBecause: "t1/a", mtu: 1_400 }),
  ]);
  assertEquals(hostSideOf(model).routes.slice(0, 2), [
    { to: "10.1.1.0/24", source: "100.65.0.1", mtu: 1_450 },
    { to: "10.1.0.0/16", source: "100.65.0.1", mtu: 1_300 },
  ]);
});

Deno.test("packetFilterOf() masquerades towards other hosts and behind services, whoever routes the subnet", () => {
  const other = { name: "h2", node: "100.65.0.2", nat: "100.66.0.2", mac: "02:02:64:41:00:02" };
  const more = { others: [{ ...other, vtep: "192.0.2.2" }, { ...other, name: "h3" }] };
  const { filter } = hostSideOf(
    reachModel([reachNetwork("t/n", "10.1.1.0/24", ["outside"], { natOutgoing: false })], more),
  );
  assertEquals([filter.elements.leaving, filter.elements.hosts], [[], ["192.0.2.2"]]);
  const local = new Set(["100.65.0.1", "100.66.0.1"]);
  const reader = new PacketFilterReader(filter, local);
  const verdict = (destination: string, isDnat = false, source = "10.1.1.5") =>
    reader.verdict("postrouting", {
      ...{ source, destination, original: destination, isDnat },
      ...{ state: "new", iif: "contivHost", oif: "eth0" },
    }).kind;
  assertEquals([verdict("192.0.2.9"), verdict("192.0.2.2"), verdict("192.0.2.9", true)], [
    ...["accept", "masquerade", "masquerade"],
  ]);
  const sources = ["100.65.0.1", "100.66.0.1", "192.0.2.1"];
  assertEquals(sources.map((source) => verdict("192.0.2.9", true, source)), [
    ...["masquerade", "masquerade", "accept"],
  ]);
});

Deno.test("packetFilterOf() lets in no stranger with an address of services, hosts or pods, but of subnets that the fabric routes", () => {
  const { filter } = hostSideOf(reachModel([
    reachNetwork("t/a", "10.1.1.0/24", ["ports"]),
    reachNetwork("t/b", "10.2.2.0/24", ["ports"], { natOutgoing: false }),
    reachNetwork("u/a", "10.1.1.0/24", [], { aliasedBecause: "t/a" }),
  ], {
    others: [{ name: "h2", node: "100.65.0.2", nat: "100.66.0.2", mac: "02:02:64:41:00:02" }],
  }));
  const reader = new PacketFilterReader(filter, new Set(["100.65.0.1", "100.66.0.1"]));
  const isOpen = (source: string, state: "new" | "established") =>
    reader.verdict("forward", {
      ...{ source, destination: "10.1.1.5", original: "192.0.2.1", isDnat: true },
      ...{ state, iif: "eth0", oif: "contivHost" },
    }).kind === "accept";
  const claimed = ["10.96.0.10", "10.1.1.6", "100.64.0.1", "100.65.0.2", "100.66.0.2"];
  for (const state of ["new", "established"] as const) {
    assertEquals(claimed.filter((source) => isOpen(source, state)), []);
    for (const source of ["203.0.113.9", "10.2.2.5"]) assert(isOpen(source, state), source);
  }
});

Deno.test("packetFilterOf() leaves it to kube-proxy to refuse a service without backends, and drops it behind that", () => {
  const { filter } = hostSideOf(reachModel([
    reachNetwork("t/a", "10.1.1.0/24", ["services"]),
    reachNetwork("t/b", "10.2.2.0/24", ["outside"]),
  ]));
  const reader = new PacketFilterReader(filter, new Set());
  const verdicts = (source: string, destination: string) =>
    ["forward", "unanswered"].map((chain) =>
      reader.verdict(chain, {
        ...{ source, destination, original: destination, isDnat: false, state: "new" },
        ...{ iif: "contivHost", oif: "contivHost" },
      }).kind
    );
  assertEquals(verdicts("10.1.1.5", "10.96.0.10"), ["accept", "drop"]);
  assertEquals(verdicts("10.2.2.5", "10.96.0.10")[0], "drop");
  assertEquals(verdicts("10.1.1.5", "10.2.2.5")[0], "drop");
});
