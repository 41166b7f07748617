import { assertEquals } from "@std/assert";
import {
  attachmentFromPort,
  attachmentToPort,
  hostEndOf,
} from "../../../../lib/agent/pods/port_external_ids.ts";
import { planSteps, type Step } from "../../../../lib/agent/pods/steps.ts";
import type { AttachmentRecord } from "../../../../lib/intent/records.ts";
import type { PortRow } from "../../../../lib/ovs/switch.ts";

function attachment(id: string, address = "11.1.0.1/24"): AttachmentRecord {
  return {
    schema: 1,
    id,
    host: "host1",
    tenant: "tenant-one",
    network: "orange",
    endpoint: "myContainer1",
    pod: { namespace: "default", name: "myContainer1" },
    sandbox: "0123456789ab",
    netns: "/run/netns/0123456789ab",
    netnsInode: 4026532000,
    interface: "eth0",
    addresses: [address],
    mac: "02:02:0b:01:00:01",
    mtu: 1450,
    generation: 1,
    state: "planned",
  };
}

function row(id: string, parts: Partial<PortRow> = {}): PortRow {
  return { ...attachmentToPort(attachment(id), 7), ofport: 3, ...parts };
}

function without(ids: PortRow["externalIds"], key: string): PortRow["externalIds"] {
  return Object.fromEntries(Object.entries(ids).filter(([name]) => name !== key));
}

function asText(steps: readonly Step[]): string {
  return steps.map((step) =>
    step.do === "detach" ? `detach ${step.name}` : `${step.do} ${step.attachment.id}`
  ).join(", ");
}

const a = { attachment: attachment("a"), tag: 7 };
const b = { attachment: attachment("b"), tag: 7 };
const cases = [
  {
    name: "does nothing where all is as wanted",
    wanted: [a],
    rows: [row("a")],
    ends: ["cva"],
    want: "",
  },
  {
    name: "attaches what is missing",
    wanted: [a, b],
    rows: [row("a")],
    ends: ["cva"],
    want: "attach b",
  },
  {
    name: "removes a row that nothing wants",
    wanted: [],
    rows: [row("a")],
    ends: [],
    want: "detach cva",
  },
  {
    name: "removes a link that nothing wants",
    wanted: [],
    rows: [],
    ends: ["cva"],
    want: "detach cva",
  },
  {
    name: "detaches before it attaches",
    wanted: [b],
    rows: [row("a")],
    ends: ["cva"],
    want: "detach cva, attach b",
  },
  {
    name: "makes a row anew whose link is gone",
    wanted: [a],
    rows: [row("a")],
    ends: [],
    want: "detach cva, attach a",
  },
  {
    name: "adds the port of a link that has none",
    wanted: [a],
    rows: [],
    ends: ["cva"],
    want: "port a",
  },
  {
    name: "repairs a port that Open vSwitch could not open",
    wanted: [a],
    rows: [attachmentToPort(attachment("a"), 7)],
    ends: ["cva"],
    want: "port a",
  },
  {
    name: "repairs a row that has another address",
    wanted: [{ ...a, attachment: attachment("a", "11.1.0.9/24") }],
    rows: [row("a")],
    ends: ["cva"],
    want: "port a",
  },
  {
    name: "repairs a row that has a foreign external id",
    wanted: [a],
    rows: [row("a", { externalIds: { ...row("a").externalIds, "iface-id": "other" } })],
    ends: ["cva"],
    want: "port a",
  },
  {
    name: "repairs a row that lacks one of our external ids",
    wanted: [a],
    rows: [row("a", { externalIds: without(row("a").externalIds, "sandbox") })],
    ends: ["cva"],
    want: "port a",
  },
  {
    name: "updates a row that differs only in what a running pod can follow",
    wanted: [a],
    rows: [row("a", { externalIds: { ...row("a").externalIds, mtu: "9000" } })],
    ends: ["cva"],
    want: "update a",
  },
  {
    name: "moves a port to another tag",
    wanted: [{ ...a, tag: 8 }],
    rows: [row("a")],
    ends: ["cva"],
    want: "retag a",
  },
];

for (const { name, wanted, rows, ends, want } of cases) {
  Deno.test(`planSteps() ${name}`, () => {
    assertEquals(asText(planSteps(wanted, { rows, hostEnds: ends })), want);
  });
}

const podEnds = [
  { name: "repairs a pod's end, and leaves its port alone", tag: 7, end: "differs", want: "pod a" },
  { name: "repairs both", tag: 8, end: "differs", want: "pod a, retag a" },
  {
    name: "makes a pair anew whose pod end is gone",
    tag: 7,
    end: "gone",
    want: "detach cva, attach a",
  },
] as const;

for (const { name, tag, end, want } of podEnds) {
  Deno.test(`planSteps() ${name}`, () => {
    const actual = { rows: [row("a")], hostEnds: ["cva"], podEnds: new Map([["cva", end]]) };
    assertEquals(asText(planSteps([{ ...a, tag }], actual)), want);
  });
}

const unfinished = [
  {
    name: "repairs the pod's end of a warm port until it is ready",
    state: "planned",
    want: "pod a",
  },
  { name: "repairs it after a failure, too", state: "failed", want: "pod a" },
  { name: "leaves a warm port alone that is ready", state: "ready", want: "" },
] as const;

for (const { name, state, want } of unfinished) {
  Deno.test(`planSteps() ${name}`, () => {
    const port = "cw0123456789a";
    const warm = { ...attachment("a"), port, state };
    const rows = [row("a", { name: port })];
    assertEquals(
      asText(planSteps([{ attachment: warm, tag: 7 }], { rows, hostEnds: [port] })),
      want,
    );
  });
}

Deno.test("attachmentFromPort() returns what attachmentToPort() wrote", () => {
  const one = { ...attachment("c"), gateway: "11.1.0.254" };
  assertEquals(attachmentFromPort(attachmentToPort(one, 9)), one);
});

Deno.test("attachmentFromPort() returns undefined when any part of a row is missing", () => {
  const whole = attachmentToPort(attachment("d"), 9);
  for (const key of ["attachment", "sandbox", "netns", "addresses", "mac", "pod", "endpoint"]) {
    const { [key]: _, ...rest } = whole.externalIds;
    assertEquals(attachmentFromPort({ ...whole, externalIds: rest }), undefined, key);
  }
});

Deno.test("hostEndOf() stays within the 15 characters of a link's name", () => {
  assertEquals(hostEndOf({ id: "0123456789a" }).length, 13);
});

Deno.test("planSteps() updates a port in place when its network's reach changes, comes or goes", () => {
  const reach = { gateway: "11.1.0.254", hostMac: "02:02:64:41:00:01", hasServices: false };
  const stepsFrom = (rowReach: PortRow["reach"], desired: PortRow["reach"]) => {
    const rows = [row("a", rowReach && { reach: rowReach })];
    return asText(planSteps([{ ...a, reach: desired }], { rows, hostEnds: ["cva"] }));
  };
  assertEquals(stepsFrom(reach, reach), "");
  assertEquals(stepsFrom(reach, { ...reach, hasServices: true }), "update a");
  assertEquals(stepsFrom(undefined, reach), "update a");
  assertEquals(stepsFrom(reach, undefined), "update a");
});
