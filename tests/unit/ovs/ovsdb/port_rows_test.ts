// What is read from Open vSwitch's rows: our ports, and errors of our interfaces, not of other programs'.

import { assertEquals } from "@std/assert";
import type { TableUpdates } from "../../../../lib/ovs/ovsdb/ovsdb_connection.ts";
import { RowCache } from "../../../../lib/ovs/ovsdb/port_rows.ts";
import { RowChanges } from "../../../../lib/ovs/ovsdb/row_changes.ts";

const ownedBy = (host: string, more: [string, string][] = []) => ["map", [
  ["k8contivnet", host],
  ...more,
]];

/** A link's Port and Interface row; an empty text means no error. */
function link(name: string, ids: unknown, error = ""): TableUpdates {
  const row = { name, ofport: error ? -1 : 1, "ofport_request": ["set", []] };
  return {
    Port: { [`p-${name}`]: { new: { name, tag: ["set", []], "external_ids": ids } } },
    Interface: { [`i-${name}`]: { new: { ...row, error: error || ["set", []] } } },
  };
}

function bridge(name: string, ids: unknown): TableUpdates {
  return { Bridge: { [`b-${name}`]: { new: { name, ports: ["set", []], "external_ids": ids } } } };
}

function cacheOf(...updates: readonly TableUpdates[]): RowCache {
  const cache = new RowCache("contivBridge", "h1");
  updates.forEach((one) => cache.apply(one));
  return cache;
}

Deno.test("errors of our bridges, uplink, tunnel and pods' ports are reported, of others not", () => {
  const none = ["map", []];
  const cache = cacheOf(
    bridge("contivBridge", ownedBy("h1")),
    bridge("contivTunnel", ownedBy("h1")),
    bridge("br0", none),
    link(
      "contivBridge",
      none,
      "could not add network device contivBridge to ofproto (File exists)",
    ),
    link("contivTunnel", none),
    link("br0", none, "could not open network device br0 (No such device)"),
    link("eth2", ownedBy("h1", [["k8contivnet-kind", "uplink"]]), "No such device"),
    link("cv0123456789a", ownedBy("h1"), "could not open network device cv0123456789a"),
    link("cvfedcba98765", ownedBy("h1")),
    link("cvother", ownedBy("h2"), "No such device"),
  );
  assertEquals(cache.errors(), [
    {
      name: "contivBridge",
      error: "could not add network device contivBridge to ofproto (File exists)",
    },
    { name: "cv0123456789a", error: "could not open network device cv0123456789a" },
    { name: "eth2", error: "No such device" },
  ]);
});

Deno.test("an error is reported until the interface has none, or is gone", () => {
  const cache = cacheOf(bridge("contivBridge", ownedBy("h1")));
  const names = () => cache.errors().map(({ name }) => name);
  for (const name of ["cv0", "cv1"]) cache.apply(link(name, ownedBy("h1"), "No such device"));
  assertEquals(names(), ["cv0", "cv1"]);
  cache.apply(link("cv0", ownedBy("h1"), ""));
  assertEquals(names(), ["cv1"]);
  const { Interface } = link("cv1", ownedBy("h1"));
  const [uuid] = Object.keys(Interface!);
  cache.apply({ Interface: { [uuid!]: { old: {} } } });
  assertEquals(names(), []);
});

Deno.test("a change of the bridge's own error is a change that the agent hears of, once", () => {
  const none = ["map", []];
  const cache = cacheOf(bridge("contivBridge", ownedBy("h1")), link("contivBridge", none));
  const changes = new RowChanges();
  changes.reset(cache);
  const heard = (error: string) =>
    changes.among(cache.apply(link("contivBridge", none, error)), cache);
  assertEquals(heard(""), []);
  assertEquals(heard("File exists"), ["contivBridge"]);
  assertEquals(heard("File exists"), []);
  assertEquals(heard(""), ["contivBridge"]);
});

Deno.test("a port that was read once is as its rows are now", () => {
  const ids = (more: [string, string][]) =>
    ownedBy("h1", [["k8contivnet-mac", "02:02:0a:09:00:01"], ...more]);
  const onBridge = (...names: string[]): TableUpdates => {
    const ports = ["set", names.map((name) => ["uuid", `p-${name}`])];
    const row = { name: "contivBridge", ports, "external_ids": ownedBy("h1") };
    return { Bridge: { "b-contivBridge": { new: row } } };
  };
  const cache = cacheOf(onBridge("cv1", "cv2"), link("cv1", ids([])), link("cv2", ids([])));
  const seen = (): unknown[] =>
    cache.ports().map(({ name, ofport, externalIds }) => ({ name, ofport, ...externalIds }));
  assertEquals(seen(), [{ name: "cv1", ofport: 1 }, { name: "cv2", ofport: 1 }]);
  assertEquals(cache.port("cv1")?.row, cache.ports()[0]);
  cache.apply({ Port: link("cv1", ids([["pod", "one"]])).Port! });
  cache.apply({ Interface: link("cv2", ids([]), "No such device").Interface! });
  const broken = { name: "cv2", ofport: undefined };
  assertEquals(seen(), [{ name: "cv1", ofport: 1, pod: "one" }, broken]);
  cache.apply(link("cv1", ownedBy("h2")));
  assertEquals([cache.port("cv1"), seen()], [undefined, [broken]]);
  cache.apply(onBridge());
  assertEquals([cache.port("cv2"), seen()], [undefined, []]);
});
