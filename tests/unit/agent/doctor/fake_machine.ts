// A healthy machine for the doctor's tests; a test breaks one thing of it.

import type { HealthAnswer } from "../../../../lib/agent/api/agent_health.ts";
import { fabricRecordsReader } from "../../../../lib/agent/doctor/fabric_records.ts";
import type { CheckContext } from "../../../../lib/agent/doctor/findings.ts";
import type { AccessReport } from "../../../../lib/kube/examine_access.ts";
import type { EtcdReport } from "../../../../lib/store/etcd/examine_etcd.ts";
import type { FileFacts, Machine, Row } from "../../../../lib/agent/doctor/machine.ts";
import { Fault } from "../../../../lib/util/errors.ts";
import { MemoryDatabase } from "../../../memory/memory_database.ts";
import { MemoryStore } from "../../../memory/memory_store.ts";

/** By whose clock the machine lives. */
export const NOW = Date.UTC(2026, 0, 1);

const socket: FileFacts = { kind: "socket", size: 0, mode: 0o600, uid: 0 };
const folder: FileFacts = { kind: "folder", size: 0, mode: 0o700, uid: 0 };

const LINKS = [
  { ifname: "eth1", mtu: 1500, operstate: "UP", flags: ["UP"] },
  {
    ifname: "eth2",
    mtu: 9000,
    operstate: "UP",
    flags: ["UP"],
    "addr_info": [{ local: "192.0.2.1" }],
  },
];

const SUM = "a".repeat(64);
const LAUNCHER = `#!/bin/sh
  k8c_sum=$(tail -c +20481 "$0" | sha256sum)
  [ "\${k8c_sum%% *}" = ${SUM} ] || exit 75
`;

const presence = (host: string, more: object = {}) => ({
  ...{ schema: 1, host, instance: "i", version: "1.0.0", beat: 7, mtu: 9000, everyMs: 10_000 },
  ...{ at: new Date(NOW - 2_000).toISOString(), ...more },
});

/** What a test may change. */
export interface Parts {
  files: Record<string, FileFacts | undefined>;
  texts: Record<string, string>;
  folders: Record<string, string[]>;
  root: Row;
  bridges: Row[];
  interfaces: Row[];
  /** Commands that fail, by their first words, with what they say. */
  commands: Record<string, string>;
  /** Connections that Open vSwitch tracks. */
  connections: number;
  free: { bytes: number; inodes: number };
  /** Settings of the kernel. */
  kernel: Record<string, string>;
  /** Kinds of links that the kernel does not have. */
  missingKinds: string[];
  /** Open files of the agent (`1`), of ovs-vswitchd (its pid file) and of `all`. */
  openFiles: Record<string, { used: number; most: number }>;
  /** Words of the processes by their names. */
  processes: Record<string, string[][]>;
  /** Where links lead. */
  linkTargets: Record<string, string>;
  /** Checksums of the programs in files; by default the one that their launcher names. */
  checksums: Record<string, string>;
  /** Ends of the certificates that servers show. */
  certificateEnds: Record<string, Date>;
  etcd: EtcdReport;
  access: AccessReport;
  /** What `ip -j addr` prints. */
  links: object[];
  database: MemoryDatabase;
  store: MemoryStore;
  machine: Partial<Machine>;
  context: Partial<CheckContext>;
}

/** Returns a healthy host `h1`, with a peer `h2`, as the parts that a test may change. */
export function healthyParts(): Parts {
  const database = new MemoryDatabase();
  database.put({
    "hosts/h1": { schema: 1, name: "h1", intf: "eth1", vtepIp: "192.0.2.1" },
    "hosts/h2": { schema: 1, name: "h2", vtepIp: "192.0.2.2" },
    "agents/h1": presence("h1"),
    "agents/h2": presence("h2"),
  });
  return {
    files: {
      ...{
        "/ovs/db.sock": socket,
        "/run/a.sock": socket,
        "/state": folder,
        "/docker.sock": socket,
      },
      "/opt/cni/bin/k8contivnet": { kind: "file", size: 42_000_000, mode: 0o755, uid: 0 },
    },
    texts: { "/etc/cni/net.d/10-k8contivnet.conflist": '{"plugins":[{"type":"k8contivnet"}]}' },
    folders: { "/etc/cni/net.d": ["10-k8contivnet.conflist", "README"] },
    root: { "ovs_version": "3.1.0", "cur_cfg": 7, "next_cfg": 7, "datapath_types": ["set", []] },
    bridges: [{
      name: "br",
      "datapath_type": "netdev",
      "external_ids": ["map", [["k8contivnet", "h1"]]],
    }],
    interfaces: [{ name: "cv1", error: ["set", []] }],
    ...{ commands: {}, connections: 12 },
    free: { bytes: 1e9, inodes: 1e6 },
    kernel: {
      "net/netfilter/nf_conntrack_count": "12",
      "net/netfilter/nf_conntrack_max": "65536",
      "net/ipv4/conf/all/rp_filter": "0",
      "net/ipv4/conf/eth2/rp_filter": "1",
      "net/ipv4/ip_forward": "1",
    },
    ...{ missingKinds: [], processes: {}, linkTargets: {}, checksums: {}, certificateEnds: {} },
    openFiles: {
      all: { used: 9_000, most: 1_000_000 },
      "1": { used: 40, most: 1_024 },
      "/ovs/ovs-vswitchd.pid": { used: 90, most: 65_536 },
    },
    etcd: {
      isSecure: false,
      members: [{ endpoint: "h:2379", version: "3.4.23", size: 3e6, hasLeader: true }],
      alarms: [],
    },
    access: { server: "https://api:6443", clockMs: NOW, missing: [] },
    links: LINKS,
    ...{ database, store: new MemoryStore(database), machine: {}, context: {} },
  };
}

const HEALTH: HealthAnswer = {
  ...{ version: "1.0.0", host: "h1", pid: 1, store: "sqlite:/state/store.db", held: 0 },
  ...{ unreadable: [], ovsdb: "up", openflow: "up" },
};

/** Returns the context of these parts. */
export function contextOf(parts: Parts): CheckContext {
  const { files, texts, folders, commands } = parts;
  const run = (command: string, ...args: readonly string[]) => {
    const words = [command, ...args].join(" ");
    const failing = Object.keys(commands).find((one) => words.startsWith(one));
    if (failing !== undefined) return Promise.reject(new Fault("failed", commands[failing] ?? ""));
    if (words.startsWith("ip -j route get")) return Promise.resolve('[{"dev":"eth2"}]');
    return Promise.resolve(words === "ip -j addr" ? JSON.stringify(parts.links) : "");
  };
  const machine: Machine = {
    ...{ kernel: "6.1.0", uid: 0, nowMs: () => NOW, run },
    stat: (path) => Promise.resolve(files[path]),
    readText: (path) =>
      path in texts ? Promise.resolve(texts[path]!) : Promise.reject(new Error(`no ${path}`)),
    list: (path) => Promise.resolve(folders[path] ?? []),
    free: () => Promise.resolve(parts.free),
    rows: (_, selects) =>
      Promise.resolve(selects.map(({ table, names }) => {
        const rows = { Bridge: parts.bridges, Interface: parts.interfaces }[table] ?? [parts.root];
        return rows.filter(({ name }) => !names || names.includes(String(name)));
      })),
    control: (_, verb) =>
      Promise.resolve(verb.endsWith("maxconns") ? "3000000\n" : `${parts.connections}\n`),
    ask: () => Promise.resolve('{"Version":"20.10"}'),
    openStore: () => Promise.resolve(parts.store.another()),
    examineEtcd: () => Promise.resolve(parts.etcd),
    examineAccess: () => Promise.resolve(parts.access),
    tunnelFilters: () => Promise.resolve([]),
    vtepFault: () => Promise.resolve(undefined),
    missingLinkKinds: (kinds) =>
      Promise.resolve(parts.missingKinds.filter((one) => one === "veth" || kinds.includes(one))),
    kernelSettings: (keys) =>
      Promise.resolve(
        Object.fromEntries(Object.entries(parts.kernel).filter(([key]) => keys.includes(key))),
      ),
    openFiles: (process) =>
      Promise.resolve(
        parts.openFiles[typeof process === "number" ? process : process.pidFile],
      ),
    allOpenFiles: () => Promise.resolve(parts.openFiles.all!),
    processes: (name) => Promise.resolve(parts.processes[name] ?? []),
    tryWatching: () => Promise.resolve(),
    linkTarget: (path) => Promise.resolve(parts.linkTargets[path]),
    head: () => Promise.resolve(LAUNCHER),
    checksum: (path) => Promise.resolve(parts.checksums[path] ?? SUM),
    certificateEnd: (endpoint) => Promise.resolve(parts.certificateEnds[endpoint]),
    ...parts.machine,
  };
  const context = {
    ...{ machine, socket: "/run/a.sock", health: Promise.resolve(HEALTH), version: "1.0.0" },
    settings: {
      ...{ host: "h1", stateDir: "/state", ovsdb: "unix:/ovs/db.sock", ovsRundir: "/ovs" },
      ...{ bridge: "br", docker: "unix:/docker.sock", store: "sqlite:/state/store.db" },
    },
    ...parts.context,
  };
  return { ...context, fabricRecords: fabricRecordsReader(context.machine, context.settings) };
}

/** Changes settings of the agent. */
export function changeSettings(parts: Parts, more: object): void {
  parts.context = { settings: { ...contextOf(parts).settings, ...more } };
}

export { HEALTH, presence };
