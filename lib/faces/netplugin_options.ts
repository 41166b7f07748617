// The agent's options, from the values of its flags.

import { dirname } from "@std/path";
import type { AgentOptions } from "../agent/options.ts";
import { parseHistoryLimit } from "../agent/store/history_limit.ts";
import { readHostRange, vtepRefusal } from "../intent/field_rules.ts";
import { Fault } from "../util/errors.ts";
import { isLinkName, isName, LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import { parseSocketPath } from "../util/socket_path.ts";
import { VERSION } from "../util/version.ts";
import { type FlagValues, isSet } from "./netplugin_flags.ts";

/** Returns the last value of a flag; empty if it is not set. */
export function one(flags: FlagValues, name: string): string {
  return flags.get(name)?.at(-1) ?? "";
}

/** Returns the last value of a flag, if it is set. */
function maybe(flags: FlagValues, name: string): string | undefined {
  return flags.get(name)?.at(-1);
}

/** Returns a duration in milliseconds. */
function msIn(flags: FlagValues, name: string): number {
  return Number(one(flags, name)) * 1_000;
}

/** Returns the options of the agent. Faults: usage; those of readIntentFile(). */
export async function agentOptionsFrom(flags: FlagValues): Promise<AgentOptions> {
  const stateDir = one(flags, "state-dir");
  const ovsdb = one(flags, "ovsdb").replace(/^(?=\/)/, "unix:");
  const bridge = one(flags, "bridge");
  const [uplink, vtepIp] = [one(flags, "uplink"), one(flags, "vtep-ip")];
  const hostRange = one(flags, "host-range");
  if (!ovsdb.startsWith("unix:")) {
    throw new Fault("usage", `--ovsdb "${ovsdb}" is not a unix socket`, { fix: "use unix:PATH" });
  }
  if (!isName(bridge, 15)) {
    throw new Fault("usage", `--bridge "${bridge}" is not a valid bridge name`, {
      fix: "use at most 15 letters and digits",
    });
  }
  const ovsRundir = one(flags, "ovs-rundir") || dirname(ovsdb.slice("unix:".length));
  checkSockets(flags, ovsdb, ovsRundir);
  return {
    hostLabel: parseName(
      "host label",
      one(flags, "host-label") || Deno.hostname(),
      LONG_NAME_LIMIT,
    ),
    intents: await Promise.all((flags.get("intent") ?? []).map(readIntent)),
    store: one(flags, "store") || `sqlite:${stateDir}/store.db`,
    storeOptions: {
      etcdCa: maybe(flags, "etcd-ca"),
      etcdCert: maybe(flags, "etcd-cert"),
      etcdKey: maybe(flags, "etcd-key"),
      etcdUser: maybe(flags, "etcd-user"),
      etcdPasswordFile: maybe(flags, "etcd-password-file"),
    },
    // Without a lower limit it would write to etcd all the time.
    beatMs: Math.max(1_000, msIn(flags, "heartbeat")),
    takeOver: isSet(flags, "take-over"),
    socket: one(flags, "socket"),
    stateDir,
    ovsdb,
    ovsRundir,
    ovsDriver: one(flags, "ovs-driver") as AgentOptions["ovsDriver"],
    linkDriver: one(flags, "link-driver") as AgentOptions["linkDriver"],
    ports: one(flags, "ports") as AgentOptions["ports"],
    datapath: one(flags, "datapath") as AgentOptions["datapath"],
    bridge,
    ...uplink === "" ? {} : { uplink: parseLink(uplink) },
    isUplinkForced: isSet(flags, "uplink-force"),
    setsArpIgnore: isSet(flags, "vtep-arp-ignore"),
    ...vtepIp === "" ? {} : { vtepIp: parseVtep(vtepIp) },
    ...hostRange === "" ? {} : { hostRange: readHostRange(hostRange) },
    docker: one(flags, "docker"),
    callLimitMs: Math.max(100, msIn(flags, "call-limit")),
    onUnmatched: one(flags, "unmatched") as AgentOptions["onUnmatched"],
    graceMs: msIn(flags, "grace"),
    logsDrops: isSet(flags, "log-drops"),
    history: parseHistoryLimit(one(flags, "history")),
    ...await listenFrom(flags),
    ...await kubeFrom(flags),
    version: VERSION,
  };
}

/** Checks the paths of all sockets that the agent will open. Faults: usage. */
function checkSockets(flags: FlagValues, ovsdb: string, ovsRundir: string): void {
  const path = (address: string) => address.replace(/^unix:(\/\/)?/, "");
  parseSocketPath("--socket", one(flags, "socket"));
  parseSocketPath("--ovsdb", path(ovsdb));
  parseSocketPath("--docker", path(one(flags, "docker")));
  for (const bridge of [one(flags, "bridge"), TUNNEL_BRIDGE]) {
    parseSocketPath("Open vSwitch's socket", `${ovsRundir}/${bridge}.mgmt`);
  }
}

/** The bridge of VXLAN networks, ovs/bridge/port_names.ts. */
const TUNNEL_BRIDGE = "contivTunnel";

/** Returns where metrics are served; the code is loaded only with --listen. Faults: usage. */
async function listenFrom(flags: FlagValues): Promise<Pick<AgentOptions, "listen">> {
  const [addresses = [], tokenFile] = [flags.get("listen"), maybe(flags, "listen-token-file")];
  if (addresses.length === 0 && tokenFile === undefined) return {};
  const { parseListen } = await import("../agent/metrics/listen_address.ts");
  return { listen: parseListen(addresses, tokenFile) };
}

/** Returns the options for Kubernetes, whose code is loaded only with --kubeconfig. Faults: usage. */
async function kubeFrom(flags: FlagValues): Promise<Pick<AgentOptions, "kube">> {
  const [kubeconfig, node] = [maybe(flags, "kubeconfig"), maybe(flags, "node-name")];
  if (kubeconfig === undefined) {
    if (node === undefined) return {};
    throw new Fault("usage", "--node-name needs --kubeconfig", {
      fix: "add --kubeconfig FILE",
    });
  }
  const { kubeOptions } = await import("../agent/kube/kube_options.ts");
  const host = one(flags, "host-label") || Deno.hostname();
  return {
    kube: kubeOptions({
      kubeconfig,
      isInsecure: isSet(flags, "kube-insecure"),
      nodeName: parseName("node name", node ?? host, LONG_NAME_LIMIT),
    }),
  };
}

/** Checks the name of the uplink. Faults: usage. */
function parseLink(name: string): string {
  if (isLinkName(name)) return name;
  throw new Fault("usage", `--uplink "${name.slice(0, 40)}" is not a valid link name`, {
    fix: "use 1 to 15 letters, digits, _ . -",
  });
}

/** Checks the tunnel address, without leading zeros in the result. Faults: usage. */
function parseVtep(address: string): string {
  const octets = address.split(".");
  const isAddress = octets.length === 4 &&
    octets.every((one) => /^\d{1,3}$/.test(one) && Number(one) < 256);
  const plain = isAddress ? octets.map(Number).join(".") : undefined;
  const refusal = plain === undefined ? undefined : vtepRefusal(plain);
  if (refusal) {
    throw new Fault("usage", `--vtep-ip ${plain} is refused`, {
      why: refusal,
      fix: "use this host's own address",
    });
  }
  if (plain !== undefined) return plain;
  throw new Fault("usage", `--vtep-ip "${address.slice(0, 40)}" is not a valid IPv4 address`, {
    fix: "use one such as 192.168.2.10",
  });
}

async function readIntent(name: string): Promise<{ name: string; text: string }> {
  const { readIntentFile } = await import("../cli/read_intent_file.ts");
  return { name, text: await readIntentFile(name) };
}
