import { assertEquals } from "@std/assert";
import { planZoneHandover, zoneOwners } from "../../../../lib/agent/policy/conntrack_zones.ts";

const owner = (tag: number, network: number) =>
  `cookie=0x6b380003${network.toString(16).padStart(8, "0")} table=10, priority=10,` +
  `reg0=0x${tag.toString(16)} actions=NORMAL`;
const entry = (tag: number) =>
  `cookie=0x1 table=10, priority=40,ip,reg0=0x${
    tag.toString(16)
  },nw_src=10.0.0.1 actions=resubmit(,11)`;
const other = "cookie=0x1 table=12, priority=1,reg0=0x64 actions=drop";

Deno.test("planZoneHandover() flushes no zone that keeps its network", () => {
  const present = new Set([owner(100, 1), entry(100), other]);
  assertEquals(planZoneHandover(present, [owner(100, 1), entry(100)]), {
    zones: [],
    entryFlows: [],
  });
});

Deno.test("planZoneHandover() flushes the zone of a tag that goes to another network", () => {
  const present = new Set([owner(100, 1), entry(100), owner(101, 2), entry(101), other]);
  const { zones, entryFlows } = planZoneHandover(present, [owner(100, 9), owner(101, 2)]);
  assertEquals(zones, [100]);
  assertEquals(entryFlows, [owner(100, 1), entry(100)]);
});

Deno.test("planZoneHandover() flushes a new zone, unless its flow was only lost by the switch", () => {
  assertEquals(planZoneHandover(new Set(), [owner(100, 1)]).zones, [100]);
  const former = new Set([owner(100, 1)]);
  assertEquals(planZoneHandover(new Set(), [owner(100, 1)], former).zones, []);
  assertEquals(planZoneHandover(new Set(), [owner(100, 2)], former).zones, [100]);
});

Deno.test("zoneOwners() returns the flows that name the network of a zone", () => {
  assertEquals([...zoneOwners([owner(100, 1), entry(100), other])], [owner(100, 1)]);
});
