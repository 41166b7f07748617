import { assert, assertEquals, assertRejects } from "@std/assert";
import { GroupCommit } from "../../../../lib/util/async/group_commit.ts";
import type { NumberedPort, PortDriver } from "../../../../lib/ovs/ports/port_driver.ts";
import { PortChanges } from "../../../../lib/ovs/ports/port_changes.ts";
import { refuseSharedTag } from "../../../../lib/ovs/ports/port_spec.ts";
import type { RowCache } from "../../../../lib/ovs/ovsdb/port_rows.ts";
import type { ParkedPort, PortSpec } from "../../../../lib/ovs/switch.ts";
import type { Job } from "../../../../lib/ovs/ovsdb/transaction.ts";
import { waitFor } from "../../../lab/wait.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const SPEC: PortSpec = {
  ...{ name: "cv1", tag: 7, mac: "02:02:0a:01:00:01", addresses: ["10.1.0.1"] },
  externalIds: { tenant: "t", network: "blue" },
};
const OPTIONS = { ovsdb: "unix:/db.sock", rundir: "/run", bridge: "contivBridge", owner: "h1" };

const refusals: readonly { what: string; other: Partial<PortSpec>; isRefused: boolean }[] = [
  {
    what: "another network's tag",
    other: { externalIds: { tenant: "t", network: "red" } },
    isRefused: true,
  },
  {
    what: "another tenant's tag",
    other: { externalIds: { tenant: "u", network: "blue" } },
    isRefused: true,
  },
  { what: "a tag of its own network", other: {}, isRefused: false },
  {
    what: "another tag",
    other: { tag: 8, externalIds: { tenant: "u", network: "blue" } },
    isRefused: false,
  },
  { what: "what it has itself", other: { name: "cv1", externalIds: {} }, isRefused: false },
];

for (const { what, other, isRefused } of refusals) {
  Deno.test(`refuseSharedTag() ${isRefused ? "rejects" : "accepts"} ${what}`, () => {
    let fault: Fault | undefined;
    try {
      refuseSharedTag([{ ...SPEC, name: "cv2", ...other }], SPEC);
    } catch (error) {
      fault = error as Fault;
    }
    assertEquals(fault?.code, isRefused ? "unavailable" : undefined);
  });
}

/** Rows that follow the commits; `forward` decides how an arrival ends. */
function changesWith(forward: PortDriver["forward"]) {
  const rows = new Map<string, PortSpec | ParkedPort>();
  const commit = (jobs: readonly Job[]): Promise<number | undefined> => {
    for (const job of jobs) {
      if (job.do === "add") rows.set(job.spec.name, job.spec);
      if (job.do === "remove") rows.delete(job.name);
    }
    return Promise.resolve(undefined);
  };
  const mirror = {
    ports: () => [...rows.values()],
    port: (name: string) =>
      rows.has(name) ? { uuid: name, row: rows.get(name), requested: 1 } : undefined,
    has: (name: string) => rows.has(name),
    numbers: () => new Set(),
  } as unknown as RowCache;
  const dropped: number[] = [];
  const announced: string[] = [];
  /** How long the announcement of port "first" takes. */
  const { promise: held, resolve: goOn } = Promise.withResolvers<void>();
  const driver = {
    rows: () => Promise.resolve(mirror),
    gone: () => Promise.resolve(),
    deleteFlows: (numbers: readonly number[]) => Promise.resolve(void dropped.push(...numbers)),
    sendFrames: ({ name }: NumberedPort) => {
      announced.push(name);
      return name === "first" ? held : Promise.resolve();
    },
    forward,
  } as unknown as PortDriver;
  const changes = new PortChanges(OPTIONS, driver, new GroupCommit(commit));
  return { changes, rows, mirror, dropped, announced, goOn };
}

const inTime = () => ({ endMs: performance.now() + 1_000, leftNothing: () => {} });

Deno.test("PortChanges.arrive() leaves a row and no pending change", async () => {
  const { changes, rows } = changesWith(async ({ committed, ofport }) => {
    await committed;
    return ofport;
  });
  let isFree = false;
  await changes.arrive(SPEC, { ...inTime(), leftNothing: () => isFree = true });
  assertEquals([...rows.keys()], ["cv1"]);
  assertEquals([isFree, changes.arriving.size, changes.leaving.size], [true, 0, 0]);
});

Deno.test("PortChanges.arrive() reports a port that failed as leaving until its row is removed", async () => {
  let commit = () => {};
  const late = new Promise<void>((resolve) => commit = resolve);
  const { changes, rows, dropped } = changesWith(async ({ committed }) => {
    await committed;
    throw new Fault("timeout", "late");
  });
  const seen: string[][] = [];
  const drop = changes.drop.bind(changes);
  changes.drop = async (...args) => {
    seen.push([...changes.leaving], [...rows.keys()]);
    await late;
    return await drop(...args);
  };
  let isFree = false;
  const arrival = changes.arrive(SPEC, { ...inTime(), leftNothing: () => isFree = true });
  setTimeout(commit, 20);
  await assertRejects(() => arrival, Fault, "late");
  assertEquals(seen, [["cv1"], ["cv1"]]);
  assertEquals([...rows.keys()], []);
  assert(isFree && changes.leaving.size === 0 && changes.arriving.size === 0);
  assert(dropped.length > 0, "its flows are dropped, too");
});

Deno.test("PortChanges announces no port that was removed, nor one that was parked", async () => {
  const { changes, mirror, announced, goOn } = changesWith(({ ofport }) => Promise.resolve(ofport));
  const names = ["first", "cv2", "cv3", "cv4"];
  for (const name of names) await changes.arrive({ ...SPEC, name }, inTime());
  await changes.drop(["cv2"], mirror, performance.now() + 1_000);
  changes.withdrawAnnouncements(["cv3"]);
  goOn();
  await waitFor("the last announcement", () => announced.includes("cv4"));
  assertEquals(announced, ["first", "cv4"]);
  changes.close();
});

Deno.test("PortChanges.arrive() rejects a tag of another network's port that is being added", async () => {
  let go = () => {};
  const held = new Promise<number>((resolve) => go = () => resolve(1));
  const { changes } = changesWith(() => held);
  const first = changes.arrive({ ...SPEC, name: "cv2", externalIds: {} }, inTime());
  await assertRejects(
    () => changes.arrive(SPEC, inTime()),
    Fault,
    "VLAN 7 is still used by ?/? on this host",
  );
  go();
  await first;
});
