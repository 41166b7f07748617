// Rows of Open vSwitch in the notation of OVSDB (RFC 7047 §5.1), and which of them are ours. Pure.

import type { InterfaceError, ParkedPort, PortRow, PortSpec } from "../switch.ts";
import { reachFromText, reachToText } from "./port_reach_text.ts";
import type { Columns, TableUpdates } from "./ovsdb_connection.ts";

/** Key of external_ids with the owner of a row: the host label. */
export const OWNER_KEY = "k8contivnet";
/** Key of external_ids on our ports that are not for pods: the uplink and the tunnel's ports. */
export const KIND_KEY = "k8contivnet-kind";
const MAC_KEY = "k8contivnet-mac";
const ADDRESSES_KEY = "k8contivnet-addresses";
const REACH_KEY = "k8contivnet-reach";

/** Columns that a RowCache needs of each table. */
export const CACHED_COLUMNS: Readonly<Record<string, readonly string[]>> = {
  "Open_vSwitch": ["cur_cfg"],
  Bridge: ["name", "ports", "external_ids"],
  Port: ["name", "tag", "interfaces", "external_ids"],
  Interface: ["name", "ofport", "ofport_request", "error"],
};

/** Returns the members of a set; OVSDB writes a set of one member as that member. */
export function membersOf(datum: unknown): unknown[] {
  if (Array.isArray(datum) && datum[0] === "set") return datum[1] as unknown[];
  return datum === undefined ? [] : [datum];
}

/** Returns a map of strings as an object. */
export function recordFromMap(datum: unknown): Record<string, string> {
  return Array.isArray(datum) && datum[0] === "map" ? Object.fromEntries(datum[1]) : {};
}

/** Returns an object as a map of strings. */
export function mapFromRecord(record: Readonly<Record<string, string>>): unknown {
  return ["map", Object.entries(record)];
}

/** Returns the ids of the rows that a column refers to. */
export function uuidsOf(datum: unknown): string[] {
  return membersOf(datum).map((member) => (member as [string, string])[1]);
}

/** Returns the external_ids of a port's row: the caller's keys and ours. */
export function externalIdsOf(spec: PortSpec | ParkedPort, owner: string): Record<string, string> {
  return {
    ...spec.externalIds,
    [OWNER_KEY]: owner,
    ..."mac" in spec ? { [MAC_KEY]: spec.mac, [ADDRESSES_KEY]: spec.addresses.join(" ") } : {},
    ..."reach" in spec && spec.reach ? { [REACH_KEY]: reachToText(spec.reach) } : {},
  };
}

/** Returns a port as the agent sees it. */
export function portRowOf(port: Columns, link: Columns | undefined): PortRow {
  const {
    [OWNER_KEY]: _,
    [MAC_KEY]: mac,
    [ADDRESSES_KEY]: addresses,
    [REACH_KEY]: reachText = "",
    ...externalIds
  } = recordFromMap(port.external_ids);
  const reach = reachFromText(reachText);
  const [tag] = membersOf(port.tag) as number[];
  const ofport = ofportOf(link);
  const [error] = membersOf(link?.error) as string[];
  return {
    name: port.name as string,
    ...(tag !== undefined && { tag }),
    ...(ofport !== undefined && { ofport }),
    ...(error !== undefined && { error }),
    ...(mac !== undefined && { mac }),
    ...(addresses !== undefined && { addresses: addresses.split(" ").filter(Boolean) }),
    ...(reach && { reach }),
    externalIds,
  };
}

/** Returns the OpenFlow number of an interface; -1 in the row means that it could not be opened. */
export function ofportOf(link: Columns | undefined): number | undefined {
  const [ofport] = membersOf(link?.ofport) as number[];
  return ofport !== undefined && ofport > 0 ? ofport : undefined;
}

/** A port of ours, with the fields that only drivers need. */
export interface OurPort {
  readonly uuid: string;
  readonly row: PortRow;
  /** OpenFlow number that was requested when the port was added. */
  readonly requested?: number;
}

function ourPortOf(uuid: string, port: Columns, link: Columns | undefined): OurPort {
  const [requested] = membersOf(link?.ofport_request) as number[];
  return { uuid, row: portRowOf(port, link), ...(requested !== undefined && { requested }) };
}

/** The rows of one Open vSwitch as they are now, updated by a monitor. */
export class RowCache {
  /** Highest configuration number that ovs-vswitchd has applied. */
  curCfg = 0;
  readonly bridge: string;
  readonly #owner: string;
  readonly #tables = new Map<string, Map<string, Columns>>();
  readonly #byName = new Map<string, string>();
  /** The rows of interfaces that have an error. */
  readonly #withError = new Set<string>();
  /** What was read of a port's row, and of its interface's: new rows come with each change. */
  readonly #known = new WeakMap<
    Columns,
    { readonly link: Columns | undefined; readonly port: OurPort | undefined }
  >();
  #onBridge = new Set<string>();
  #bridgeRow: Columns | undefined;

  constructor(bridge: string, owner: string) {
    this.bridge = bridge;
    this.#owner = owner;
    for (const table of Object.keys(CACHED_COLUMNS)) this.#tables.set(table, new Map());
  }

  /** Applies changes; returns the names of the ports and interfaces that they touch. */
  apply(updates: TableUpdates): Set<string> {
    const touched = new Set<string>();
    for (const [table, rows] of Object.entries(updates)) {
      const gone = Object.entries(rows).filter(([, row]) => !row.new);
      for (const [uuid] of gone) this.#drop(table, uuid, touched);
      for (const [uuid, row] of Object.entries(rows)) {
        if (row.new) this.#put(table, uuid, row.new, touched);
      }
    }
    return touched;
  }

  /** Owner of the bridge: a host label, "" without an owner, undefined without a bridge. */
  get bridgeOwner(): string | undefined {
    return this.#bridgeRow && (recordFromMap(this.#bridgeRow.external_ids)[OWNER_KEY] ?? "");
  }

  /** Returns our pods' ports. */
  ports(): PortRow[] {
    return [...this.#onBridge].flatMap((uuid) => this.#ourPort(uuid)?.row ?? []);
  }

  /** Returns our port of that name, or undefined. */
  port(name: string): OurPort | undefined {
    return this.#ourPort(this.#byName.get(`Port ${name}`) ?? "");
  }

  #ourPort(uuid: string): OurPort | undefined {
    const port = this.#tables.get("Port")!.get(uuid);
    if (!port || !this.#onBridge.has(uuid)) return undefined;
    const link = this.interface(port.name as string);
    const known = this.#known.get(port);
    if (known && known.link === link) return known.port;
    const read = this.#isOurs(port) ? ourPortOf(uuid, port, link) : undefined;
    this.#known.set(port, { link, port: read });
    return read;
  }

  /** Reports whether that is a port of ours that is not for a pod, on any bridge. */
  hasLink(name: string): boolean {
    const port = this.#tables.get("Port")!.get(this.#byName.get(`Port ${name}`) ?? "");
    const ids = recordFromMap(port?.external_ids);
    return ids[OWNER_KEY] === this.#owner && ids[KIND_KEY] !== undefined;
  }

  /** Returns the errors that ovs-vswitchd reports of our bridges' own interfaces and of our ports, by name. */
  errors(): InterfaceError[] {
    const interfaces = this.#tables.get("Interface")!;
    const names = [...this.#withError].map((uuid) => interfaces.get(uuid)?.name as string);
    return [...new Set(names)].filter((name) => this.#hasOurs(name)).sort()
      .flatMap((name) => this.errorOf(name) ?? []);
  }

  #hasOurs(name: string): boolean {
    const bridges = [...this.#tables.get("Bridge")!.values()].filter((row) => row.name === name);
    const port = this.#tables.get("Port")!.get(this.#byName.get(`Port ${name}`) ?? "");
    return [...bridges, ...port ? [port] : []]
      .some((row) => recordFromMap(row.external_ids)[OWNER_KEY] === this.#owner);
  }

  /** Returns the error of the interface of that name; undefined where it has none. */
  errorOf(name: string): InterfaceError | undefined {
    const [error] = membersOf(this.interface(name)?.error) as string[];
    return error === undefined ? undefined : { name, error };
  }

  /** Reports whether any port or interface has that name, ours or not, on any bridge. */
  has(name: string): boolean {
    return this.#byName.has(`Port ${name}`) || this.#byName.has(`Interface ${name}`);
  }

  /** Returns the interface row of that name. */
  interface(name: string): Columns | undefined {
    return this.#tables.get("Interface")!.get(this.#byName.get(`Interface ${name}`) ?? "");
  }

  /** Returns all OpenFlow numbers that are in use or requested, ours or not. */
  numbers(): Set<number> {
    const rows = [...this.#tables.get("Interface")!.values()];
    return new Set(
      rows.flatMap((row) =>
        [...membersOf(row.ofport), ...membersOf(row.ofport_request)] as number[]
      ),
    );
  }

  #isOurs(port: Columns): boolean {
    const ids = recordFromMap(port.external_ids);
    return ids[OWNER_KEY] === this.#owner && ids[KIND_KEY] === undefined;
  }

  #put(table: string, uuid: string, row: Columns, touched: Set<string>): void {
    this.#tables.get(table)?.set(uuid, row);
    if (table === "Open_vSwitch") this.curCfg = Number(row.cur_cfg ?? 0);
    else if (table !== "Bridge") {
      this.#byName.set(`${table} ${row.name}`, uuid);
      touched.add(row.name as string);
      if (table === "Interface" && membersOf(row.error).length > 0) this.#withError.add(uuid);
      else this.#withError.delete(uuid);
    } else if (row.name === this.bridge) {
      this.#bridgeRow = row;
      this.#onBridge = new Set(uuidsOf(row.ports));
    }
  }

  #drop(table: string, uuid: string, touched: Set<string>): void {
    const row = this.#tables.get(table)?.get(uuid);
    if (!row) return;
    this.#tables.get(table)!.delete(uuid);
    this.#withError.delete(uuid);
    if (table === "Bridge") {
      if (row.name !== this.bridge) return;
      this.#bridgeRow = undefined;
      this.#onBridge = new Set();
      return;
    }
    if (this.#byName.get(`${table} ${row.name}`) === uuid) {
      this.#byName.delete(`${table} ${row.name}`);
    }
    touched.add(row.name as string);
  }
}
