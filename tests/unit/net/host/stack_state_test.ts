import { assertEquals, assertStringIncludes } from "@std/assert";
import type { DesiredStack } from "../../../../lib/net/host/host_stack.ts";
import {
  isWithin,
  parseState,
  shareAddress,
  stackChanges,
  type StackState,
} from "../../../../lib/net/host/stack_state.ts";

const HOP = { address: "169.254.1.1", mac: "02:02:a9:fe:01:01" };
const DESIRED: DesiredStack = {
  device: "contivHost",
  addresses: ["100.66.0.1", "100.65.0.1"],
  nextHop: HOP,
  routes: [{ to: "10.1.1.0/24", source: "100.65.0.1", mtu: 1_450 }],
  settings: [],
  filter: { name: "k8contivnet", definition: "", elements: {} },
};
const ROUTE = {
  to: "10.1.1.0/24",
  device: "contivHost",
  gateway: HOP.address,
  source: "100.65.0.1",
  mtu: 1_450,
  metric: 0,
  isConnected: false,
};
const RIGHT: StackState = {
  isUp: true,
  addresses: ["100.66.0.1/32", "100.65.0.1/32"],
  neighbours: [HOP],
  routes: [ROUTE],
};
const REPLACE =
  "route replace 10.1.1.0/24 via 169.254.1.1 dev contivHost onlink src 100.65.0.1 mtu 1450";

Deno.test("stackChanges() changes nothing that is right", () => {
  assertEquals(stackChanges(RIGHT, DESIRED), { lines: [], problems: [] });
});

Deno.test("stackChanges() makes all of a fresh link, in an order that the kernel accepts", () => {
  const fresh: StackState = { isUp: false, addresses: [], neighbours: [], routes: [] };
  assertEquals(stackChanges(fresh, DESIRED).lines, [
    "link set dev contivHost up",
    "address add 100.66.0.1/32 dev contivHost",
    "address add 100.65.0.1/32 dev contivHost",
    "neighbour replace 169.254.1.1 lladdr 02:02:a9:fe:01:01 dev contivHost nud permanent",
    REPLACE,
  ]);
});

Deno.test("stackChanges() puts an address that is missing before the others, and foreign ones away", () => {
  const state = { ...RIGHT, addresses: ["10.0.0.9/8", "100.65.0.1/32"] };
  assertEquals(stackChanges(state, DESIRED).lines, [
    "address del 10.0.0.9/8 dev contivHost",
    "address del 100.65.0.1/32 dev contivHost",
    "address add 100.66.0.1/32 dev contivHost",
    "address add 100.65.0.1/32 dev contivHost",
    "neighbour replace 169.254.1.1 lladdr 02:02:a9:fe:01:01 dev contivHost nud permanent",
    REPLACE,
  ]);
});

Deno.test("stackChanges() replaces a route of another source or MTU, and removes what is not desired", () => {
  const gone = { ...ROUTE, to: "10.7.0.0/16" };
  const state = { ...RIGHT, routes: [{ ...ROUTE, mtu: 1_400 }, gone] };
  assertEquals(stackChanges(state, DESIRED).lines, [
    "route del 10.7.0.0/16 via 169.254.1.1 dev contivHost",
    REPLACE,
  ]);
});

Deno.test("stackChanges() never replaces a route of the host's own: it is reported", () => {
  const foreign = { ...ROUTE, device: "eth1", gateway: undefined, source: undefined };
  const { lines, problems } = stackChanges({ ...RIGHT, routes: [foreign] }, DESIRED);
  assertEquals(lines, []);
  assertEquals(problems.map(({ code }) => code), ["conflict"]);
  assertStringIncludes(problems[0]?.message ?? "", "route to 10.1.1.0/24 overlaps 10.1.1.0/24");
});

Deno.test("stackChanges() reports a more exact route, and a network around; a mere route around is fine", () => {
  const problemsWith = (to: string, isConnected: boolean) => {
    const foreign = { ...ROUTE, to, device: "eth1", gateway: "192.0.2.1", isConnected };
    return stackChanges({ ...RIGHT, routes: [ROUTE, foreign] }, DESIRED).problems.length;
  };
  assertEquals(problemsWith("10.1.1.128/25", false), 1);
  assertEquals(problemsWith("10.1.0.0/16", true), 1);
  assertEquals(problemsWith("10.0.0.0/8", false), 0);
  assertEquals(problemsWith("0.0.0.0/0", false), 0);
  assertEquals(problemsWith("10.1.2.0/24", true), 0);
});

Deno.test("parseState() reads what ip -j -batch prints, also several next hops and routes to nowhere", () => {
  const state = parseState([
    '[{},{"ifname":"contivHost","flags":["UP"],"addr_info":[{"local":"100.66.0.1","prefixlen":32}]}]',
    '[{"dst":"169.254.1.1","lladdr":"02:02:a9:fe:01:01","state":["PERMANENT"]},' +
    '{"dst":"169.254.1.2","lladdr":"02:02:a9:fe:01:02","state":["STALE"]}]',
    '[{"dst":"default","nexthops":[{"gateway":"192.0.2.1","dev":"a"},{"gateway":"192.0.2.2","dev":"b"}]},' +
    '{"type":"blackhole","dst":"10.3.0.0/16"},{"dst":"10.4.0.1","dev":"c","scope":"link"},' +
    '{"dst":"10.1.1.0/24","gateway":"169.254.1.1","dev":"contivHost","prefsrc":"100.65.0.1",' +
    '"flags":["onlink"],"metrics":[{"mtu":1450}]}]',
  ].join("\n"));
  assertEquals(state.isUp, true);
  assertEquals(state.addresses, ["100.66.0.1/32"]);
  assertEquals(state.neighbours, [HOP]);
  assertEquals(state.routes.map(({ to, device }) => `${to} ${device}`), [
    "0.0.0.0/0 a",
    "0.0.0.0/0 b",
    "10.3.0.0/16 ",
    "10.4.0.1/32 c",
    "10.1.1.0/24 contivHost",
  ]);
  assertEquals(state.routes.map(({ isConnected }) => isConnected), [
    false,
    false,
    false,
    true,
    false,
  ]);
  assertEquals(state.routes.at(-1), ROUTE);
});

Deno.test("isWithin() and shareAddress() compare blocks, up to the whole range", () => {
  assertEquals(isWithin("10.1.1.128/25", "10.1.1.0/24"), true);
  assertEquals(isWithin("10.1.0.0/16", "10.1.1.0/24"), false);
  assertEquals(isWithin("255.255.255.255/32", "0.0.0.0/0"), true);
  assertEquals(shareAddress("100.64.0.0/10", "100.66.0.0/16"), true);
  assertEquals(shareAddress("100.128.0.0/10", "100.66.0.0/16"), false);
});
