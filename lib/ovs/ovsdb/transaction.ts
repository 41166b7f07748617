// Changes of ports as one OVSDB transaction. Pure.

import type { Columns } from "./ovsdb_connection.ts";
import { externalIdsOf, mapFromRecord, OWNER_KEY } from "./port_rows.ts";
import type { ParkedPort, PortSpec } from "../switch.ts";

/** One change of one port. */
export type Job =
  | { readonly do: "add"; readonly spec: PortSpec | ParkedPort; readonly ofport: number }
  | { readonly do: "remove"; readonly name: string; readonly uuid: string }
  | { readonly do: "tag"; readonly name: string; readonly uuid: string; readonly tag: number }
  | { readonly do: "ids"; readonly spec: PortSpec | ParkedPort; readonly uuid: string };

/** Returns the operations that do all `jobs`; the first one changes the bridge and must count one row. */
export function operationsOf(
  jobs: readonly Job[],
  { bridge, owner }: { readonly bridge: string; readonly owner: string },
): Columns[] {
  const added: unknown[] = [];
  const removed: unknown[] = [];
  const rest: Columns[] = [];
  jobs.forEach((job, index) => {
    if (job.do === "add") {
      added.push(["named-uuid", `port${index}`]);
      rest.push(...insertions(job, owner, index));
    } else if (job.do === "remove") removed.push(["uuid", job.uuid]);
    else rest.push(job.do === "tag" ? tagUpdate(job) : idsUpdate(job, owner));
  });
  if (jobs.some((job) => job.do === "tag")) rest.push(...COUNTING);
  return [bridgeChange({ bridge, owner, added, removed }), ...rest];
}

/** Returns the number of the configuration that ovs-vswitchd has to reach, if it was requested. */
export function nextCfgOf(results: readonly Columns[]): number | undefined {
  const rows = results.at(-1)?.rows;
  const row = Array.isArray(rows) ? rows[0] as Columns : undefined;
  return typeof row?.next_cfg === "number" ? row.next_cfg : undefined;
}

// ovs-vswitchd sets cur_cfg to next_cfg when it has applied everything; ovs-vsctl waits in the same way.
const COUNTING: readonly Columns[] = [
  { op: "mutate", table: "Open_vSwitch", where: [], mutations: [["next_cfg", "+=", 1]] },
  { op: "select", table: "Open_vSwitch", where: [], columns: ["next_cfg"] },
];

// Rows of ports exist as long as the bridge refers to them, so a removal is a change of the bridge.
function bridgeChange(
  { bridge, owner, added, removed }: {
    readonly bridge: string;
    readonly owner: string;
    readonly added: readonly unknown[];
    readonly removed: readonly unknown[];
  },
): Columns {
  const ours = ["map", [[OWNER_KEY, owner]]];
  return {
    op: "mutate",
    table: "Bridge",
    where: [["name", "==", bridge], ["external_ids", "includes", ours]],
    mutations: [["ports", "delete", ["set", removed]], ["ports", "insert", ["set", added]]],
  };
}

function insertions(
  { spec, ofport }: Extract<Job, { do: "add" }>,
  owner: string,
  index: number,
): Columns[] {
  const link = {
    op: "insert",
    table: "Interface",
    "uuid-name": `link${index}`,
    row: { "name": spec.name, "ofport_request": ofport },
  };
  const port = {
    op: "insert",
    table: "Port",
    "uuid-name": `port${index}`,
    row: {
      "name": spec.name,
      "tag": spec.tag,
      "interfaces": ["named-uuid", `link${index}`],
      "external_ids": mapFromRecord(externalIdsOf(spec, owner)),
    },
  };
  return [link, port];
}

/** Nothing of the port changes, so ovs-vswitchd is not waited for. */
function idsUpdate({ uuid, spec }: Extract<Job, { do: "ids" }>, owner: string): Columns {
  return {
    op: "update",
    table: "Port",
    where: [["_uuid", "==", ["uuid", uuid]]],
    row: { "external_ids": mapFromRecord(externalIdsOf(spec, owner)) },
  };
}

function tagUpdate({ uuid, tag }: Extract<Job, { do: "tag" }>): Columns {
  return { op: "update", table: "Port", where: [["_uuid", "==", ["uuid", uuid]]], row: { tag } };
}
