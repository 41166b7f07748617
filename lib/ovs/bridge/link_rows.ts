// Rows of ports that are not for pods (uplink, patch, tunnel), as the database has them, with their owners.

import { Fault } from "../../util/errors.ts";
import type { Columns } from "../ovsdb/ovsdb_connection.ts";
import {
  KIND_KEY,
  membersOf,
  ofportOf,
  OWNER_KEY,
  recordFromMap,
  uuidsOf,
} from "../ovsdb/port_rows.ts";
import type { RowSelect } from "../ovsdb/select.ts";
import type { OvsTools } from "../tools/ovs_tools.ts";

/** A port with its one interface. */
export interface LinkRow {
  readonly name: string;
  /** Name of the bridge that has it. */
  readonly bridge: string | undefined;
  readonly owner: string | undefined;
  readonly kind: string | undefined;
  readonly tag: number | undefined;
  readonly vlanMode: string | undefined;
  readonly trunks: readonly number[];
  readonly type: string;
  readonly options: Readonly<Record<string, string>>;
  /** Absent until ovs-vswitchd has opened the link. */
  readonly ofport: number | undefined;
  /** Open vSwitch's error message for a link that it could not open. */
  readonly error: string | undefined;
}

/** Bridges and links as of one moment. */
export interface Links {
  readonly bridges: readonly Columns[];
  readonly links: readonly LinkRow[];
}

const BRIDGES: RowSelect = {
  table: "Bridge",
  columns: ["name", "datapath_type", "fail_mode", "protocols", "ports", "external_ids"],
};
const PORT_COLUMNS = ["name", "tag", "trunks", "vlan_mode", "external_ids"];
const INTERFACE_COLUMNS = ["name", "type", "options", "ofport", "error"];

/** Returns the links of these names, and all of `kind`. */
export async function findLinks(
  tools: OvsTools,
  { names, kind, endMs }: {
    readonly names: readonly string[];
    readonly kind?: string;
    readonly endMs: number;
  },
): Promise<Links> {
  const selects: RowSelect[] = [BRIDGES];
  if (kind) {
    const externalId = { key: KIND_KEY, value: kind };
    selects.push({ table: "Port", columns: PORT_COLUMNS, externalId });
  }
  if (names.length > 0) {
    selects.push({ table: "Port", columns: PORT_COLUMNS, names });
    selects.push({ table: "Interface", columns: INTERFACE_COLUMNS, names });
  }
  const [bridges = [], ...rest] = await tools.select(selects, endMs);
  const links = names.length > 0 ? rest.pop() ?? [] : [];
  const ports = new Map(rest.flat().map((row) => [row.name as string, row]));
  return {
    bridges,
    links: [...ports.values()].map((port) =>
      linkOf(port, { bridges, link: links.find(({ name }) => name === port.name) })
    ),
  };
}

/** Returns the row of `bridge`, which must be this host's. Faults: not_found. */
export function ourBridge(
  { bridges }: Links,
  { bridge, owner }: { readonly bridge: string; readonly owner: string },
): Columns {
  const row = bridges.find(({ name }) => name === bridge);
  if (row && recordFromMap(row.external_ids)[OWNER_KEY] === owner) return row;
  throw new Fault("not_found", `bridge ${bridge} of host ${owner} does not exist`, {
    fix: "restart the agent, it creates the bridge",
  });
}

/** Returns the OpenFlow number of a link. Faults: failed, with Open vSwitch's error message. */
export function openFlowNumber(name: string, { links }: Links): number {
  const link = links.find((one) => one.name === name);
  if (link?.ofport !== undefined) return link.ofport;
  throw new Fault("failed", `Open vSwitch could not open link ${name}`, {
    why: link?.error === undefined ? "ovs-vswitchd assigned no port number" : `"${link.error}"`,
    fix: "check that the link exists and that no other bridge has it",
  });
}

/** Returns the arguments of ovs-vsctl that mark a row as ours. */
export function ownerArgs(owner: string, kind: string): string[] {
  return [
    `external_ids:${OWNER_KEY}=${JSON.stringify(owner)}`,
    `external_ids:${KIND_KEY}=${kind}`,
  ];
}

function linkOf(
  port: Columns,
  { bridges, link }: { readonly bridges: readonly Columns[]; readonly link: Columns | undefined },
): LinkRow {
  const ids = recordFromMap(port.external_ids);
  const [uuid] = uuidsOf(["set", [port._uuid]]);
  const bridge = bridges.find(({ ports }) => uuidsOf(ports).includes(uuid ?? ""));
  const [tag] = membersOf(port.tag) as number[];
  const [vlanMode] = membersOf(port.vlan_mode) as string[];
  const [error] = membersOf(link?.error) as string[];
  return {
    name: port.name as string,
    bridge: bridge?.name as string | undefined,
    owner: ids[OWNER_KEY],
    kind: ids[KIND_KEY],
    tag,
    vlanMode,
    trunks: membersOf(port.trunks) as number[],
    type: (link?.type as string | undefined) ?? "",
    options: recordFromMap(link?.options),
    ofport: ofportOf(link),
    error,
  };
}
