// Open vSwitch: its sockets, version, datapath, bridge and ports.

import { TUNNEL_BRIDGE } from "../../ovs/bridge/port_names.ts";
import { membersOf, OWNER_KEY, recordFromMap } from "../../ovs/ovsdb/port_rows.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { type CheckContext, findingsOf, socketPath } from "./findings.ts";
import type { Row } from "./machine.ts";

const { ok, warning, failed, fault } = findingsOf("Open vSwitch");

/** Releases and what is known to be wrong with them; the first that a version is below counts. */
const KNOWN_FAULTS: readonly {
  readonly below: string;
  readonly state: "warning" | "failed";
  readonly why: string;
}[] = [
  { below: "2.11.0", state: "failed", why: "it lacks OpenFlow actions that policies need" },
  { below: "3.1.0", state: "warning", why: "this program was not run against a release that old" },
];

const SELECTS = [
  { table: "Open_vSwitch", columns: ["ovs_version", "cur_cfg", "next_cfg", "datapath_types"] },
  { table: "Bridge", columns: ["name", "datapath_type", "external_ids"] },
  { table: "Interface", columns: ["name", "error", "external_ids"] },
] as const;

/** Checks Open vSwitch. */
export async function checkSwitch(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings: { ovsdb } } = context;
  const socket = socketPath(ovsdb);
  const trouble = await socketItem(context, socket);
  if (trouble) return [trouble];
  let rows: readonly Row[][];
  try {
    rows = await machine.rows(ovsdb, SELECTS.map((one) => ({ ...one })));
  } catch (error) {
    return [fault("ovsdb", error, "restart openvswitch-switch")];
  }
  const [roots = [], bridges = [], links = []] = rows;
  const [root] = roots;
  if (!root) {
    return [failed("ovsdb", `${ovsdb} has no Open_vSwitch row`, "start openvswitch-switch")];
  }
  return [
    await ownerItem(context, socket),
    versionItem(String(membersOf(root.ovs_version)[0] ?? await toolsVersion(context))),
    ...await vswitchdItems(context, root, bridges),
    ...bridgeItems(context, bridges),
    linkItem(links),
  ];
}

async function socketItem(
  { machine }: CheckContext,
  socket: string,
): Promise<CheckItem | undefined> {
  try {
    const facts = await machine.stat(socket);
    if (!facts) {
      const fix = "install and start openvswitch-switch, or name its socket in --ovsdb";
      return failed("ovsdb", `no Open vSwitch: ${socket} does not exist`, fix);
    }
    if (facts.kind !== "socket") {
      return failed("ovsdb", `${socket} is not a socket`, "name that of ovsdb-server in --ovsdb");
    }
  } catch (error) {
    return fault("ovsdb", error, "use sudo");
  }
}

/** Who owns the socket answers for Open vSwitch; some distributions run it as a user of its own. */
async function ownerItem({ machine }: CheckContext, socket: string): Promise<CheckItem> {
  const facts = await machine.stat(socket).catch(() => undefined);
  if (!facts) return ok("ovsdb", `database at ${socket}`);
  if (facts.mode & 0o002) {
    return failed("ovsdb", `${socket} is open to all users`, `chmod o-w ${socket}`);
  }
  const isKnown = facts.uid === 0 || facts.uid === machine.uid ||
    (await machine.readText("/etc/passwd").catch(() => "")).split("\n")
      .some((line) => line.startsWith("openvswitch:") && line.split(":")[2] === String(facts.uid));
  if (isKnown) return ok("ovsdb", `database at ${socket}`);
  const message =
    `${socket} belongs to user ${facts.uid}: somebody else may answer as Open vSwitch`;
  return failed("ovsdb", message, "end that process, and restart openvswitch-switch");
}

/** Returns the version of the tools, where the database does not have that of the servers. */
async function toolsVersion({ machine }: CheckContext): Promise<string> {
  const text = await machine.run("ovs-vsctl", "-V").catch(() => "");
  return /\) ([\d.]+)/.exec(text)?.[1] ?? "";
}

function versionItem(version: string): CheckItem {
  if (!/^\d+\.\d+/.test(version)) {
    return warning(
      "ovs-version",
      "Open vSwitch does not say its version",
      "restart openvswitch-switch",
    );
  }
  const known = KNOWN_FAULTS.find(({ below }) => isBelow(version, below));
  if (!known) return ok("ovs-version", `Open vSwitch ${version}`);
  const item = known.state === "failed" ? failed : warning;
  return item("ovs-version", `Open vSwitch ${version}: ${known.why}`, "install 3.1 or newer");
}

/** Reports whether `version` is older than `other`; both are dotted numbers. */
export function isBelow(version: string, other: string): boolean {
  const parts = (text: string) => text.split(/[.-]/).slice(0, 3).map((part) => parseInt(part) || 0);
  const [left, right] = [parts(version), parts(other)];
  const at = left.findIndex((part, index) => part !== right[index]);
  return at >= 0 && left[at]! < (right[at] ?? 0);
}

/** ovs-vswitchd serves a socket for each bridge; and what it has not done yet of the database, it counts. */
async function vswitchdItems(
  { machine, settings: { ovsRundir, bridge } }: CheckContext,
  root: Row,
  bridges: readonly Row[],
): Promise<CheckItem[]> {
  const [next, current] = [Number(root.next_cfg), Number(root.cur_cfg)];
  const item = next > current
    ? failed(
      "vswitchd",
      `ovs-vswitchd is ${next - current} changes behind the database`,
      "see whether ovs-vswitchd runs: systemctl restart openvswitch-switch",
    )
    : ok("vswitchd", "ovs-vswitchd has done all that the database says");
  if (!bridges.some(({ name }) => name === bridge)) return [item];
  const socket = `${ovsRundir}/${bridge}.mgmt`;
  try {
    await machine.run("ovs-ofctl", "-OOpenFlow13", "--timeout=1", "show", `unix:${socket}`);
    return [item, ok("openflow", `bridge ${bridge} answers at ${socket}`)];
  } catch {
    const message = `ovs-vswitchd does not answer at ${socket}`;
    return [item, failed("openflow", message, "systemctl restart openvswitch-switch")];
  }
}

function bridgeItems(
  { settings: { bridge, host } }: CheckContext,
  bridges: readonly Row[],
): CheckItem[] {
  const row = bridges.find(({ name }) => name === bridge);
  if (!row) {
    return [
      warning("bridge", `bridge ${bridge} does not exist`, "the agent creates it at its start"),
    ];
  }
  const foreign = [bridge, TUNNEL_BRIDGE].flatMap((name) => {
    const one = bridges.find((each) => each.name === name);
    const owner = one && recordFromMap(one.external_ids)[OWNER_KEY];
    return one && owner !== host ? [{ name, owner }] : [];
  });
  const left = bridges.map(({ name }) => String(name)).filter((name, at) =>
    name !== bridge && name !== TUNNEL_BRIDGE &&
    recordFromMap(bridges[at]?.external_ids)[OWNER_KEY] === host
  );
  const type = String(row.datapath_type || "system");
  const words = type === "netdev"
    ? "userspace datapath: slower than the kernel's"
    : "kernel datapath";
  return [
    ok("datapath", words),
    ...foreign.length === 0
      ? [ok("bridge", `bridge ${bridge} is this agent's`)]
      : foreign.map(({ name, owner }) =>
        failed(
          "bridge",
          `bridge ${name} belongs to ${owner === undefined ? "somebody else" : `host ${owner}`}`,
          `give the agent another --bridge, or remove this one: ovs-vsctl del-br ${name}`,
        )
      ),
    ...left.map((name) =>
      warning(
        "left-bridge",
        `bridge ${name} is left of an agent with another --bridge`,
        `ovs-vsctl del-br ${name}, once no pod uses it`,
      )
    ),
  ];
}

/** A port whose link is gone, or is used by another switch. */
function linkItem(links: readonly Row[]): CheckItem {
  const broken = links.flatMap(({ name, error }) => {
    const [text] = membersOf(error);
    return typeof text === "string" && text !== "" ? [`${name} (${text})`] : [];
  });
  if (broken.length === 0) return ok("interfaces", `${links.length} interfaces without errors`);
  const shown = broken.slice(0, 3).join(", ");
  const more = broken.length > 3 ? ` and ${broken.length - 3} more` : "";
  return failed(
    "interfaces",
    `Open vSwitch reports errors: ${shown}${more}`,
    "the agent removes its own within a minute; others: ovs-vsctl del-port NAME",
  );
}
