// The network to other hosts and the container runtime: links, tunnel address, packets of full size between tunnel
// addresses, Docker.

import type { HostRecord, PresenceRecord } from "../../intent/records.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { fabricProblems, withProblems } from "./fabric_findings.ts";
import { deviceTo, isOfHost, type Link, linksOf, MOST_PEERS } from "./fabric_records.ts";
import { type CheckContext, findingsOf, socketPath } from "./findings.ts";
import type { Machine } from "./machine.ts";

const { ok, warning, failed, fault } = findingsOf("network");

// IPv4 and ICMP headers of a ping.
const PING_HEADERS = 28;
const SMALL = 56;

/** Checks the network. */
export async function checkNetwork(context: CheckContext): Promise<CheckItem[]> {
  const [runtime, fabric] = await Promise.all([runtimeItems(context), fabricItems(context)]);
  return [...fabric, ...runtime];
}

async function runtimeItems({ machine, settings: { docker } }: CheckContext): Promise<CheckItem[]> {
  if (docker === "none") return [ok("docker", "pods are named network namespaces (--docker none)")];
  const socket = socketPath(docker);
  try {
    const text = await machine.ask(socket, "/version");
    const { Version } = JSON.parse(text) as { readonly Version?: string };
    return [ok("docker", `Docker ${Version ?? "of unknown version"} answers at ${socket}`)];
  } catch {
    const isThere = await machine.stat(socket).catch(() => undefined);
    return [
      isThere
        ? failed("docker", `Docker does not answer at ${socket}`, "systemctl restart docker")
        : ok("docker", `no Docker at ${socket}: pods are named network namespaces`),
    ];
  }
}

async function fabricItems(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings } = context;
  let links: readonly Link[];
  try {
    links = await linksOf(machine);
  } catch (error) {
    return [fault("links", error, "install iproute2")];
  }
  const records = await context.fabricRecords();
  const { hosts, agents } = records;
  const own = hosts.find(({ name }) => name === settings.host);
  const uplink = settings.uplink ?? own?.intf;
  const vtep = settings.vtepIp ?? own?.vtepIp;
  const [problems, tunnelItems] = await Promise.all([
    fabricProblems(context, vtep, records),
    vtep === undefined
      ? []
      : vtepItems(machine, { links, vtep, hosts, agents, host: settings.host }),
  ]);
  const uplinkItems = uplink === undefined ? [] : [uplinkItem(links, uplink)];
  return withProblems([...uplinkItems, ...tunnelItems], problems);
}

function uplinkItem(links: readonly Link[], name: string): CheckItem {
  const link = links.find(({ ifname }) => ifname === name);
  if (!link) {
    return failed(
      "uplink",
      `uplink ${name} does not exist`,
      "correct Intf of this host, or --uplink",
    );
  }
  if (link.flags?.includes("UP") === false || link.operstate === "DOWN") {
    return failed("uplink", `uplink ${name} is down`, `ip link set ${name} up, and see its cable`);
  }
  return ok("uplink", `uplink ${name} is up, MTU ${link.mtu}`);
}

async function vtepItems(
  machine: Machine,
  { links, vtep, hosts, agents, host }: {
    readonly links: readonly Link[];
    readonly vtep: string;
    readonly hosts: readonly HostRecord[];
    readonly agents: readonly PresenceRecord[];
    readonly host: string;
  },
): Promise<CheckItem[]> {
  const link = links.find(({ "addr_info": all = [] }) => all.some(({ local }) => local === vtep));
  if (!link) {
    const message = `this host does not have its tunnel address ${vtep}`;
    return [failed("vtep", message, "add it to a link, or correct VtepIp, or --vtep-ip")];
  }
  const mtuOf = (name: string) => agents.find((one) => one.host === name)?.mtu;
  const peers = hosts.filter(({ name, vtepIp }) =>
    name !== host && vtepIp !== undefined && agents.some((one) => one.host === name && !one.lost)
  ).slice(0, MOST_PEERS);
  const twins = hosts.filter(({ name, vtepIp }) => name !== host && vtepIp === vtep);
  if (twins.length > 0) {
    const names = twins.map(({ name }) => name).join(", ");
    const hosts = twins.length === 1 ? `host ${names} has` : `hosts ${names} have`;
    const message = `${hosts} the same tunnel address ${vtep}`;
    return [failed("vtep", message, "each host needs its own: correct VtepIp, or --vtep-ip")];
  }
  const items = await Promise.all(peers.map(async ({ name, vtepIp = "" }) => {
    // An address on a loopback says nothing about what the way out carries.
    const device = isOfHost(link, vtep) ? await deviceTo(machine, vtepIp) : undefined;
    const out = links.find(({ ifname }) => ifname === device) ?? link;
    const least = Math.min(link.mtu, out.mtu);
    const mtu = Math.min(least, mtuOf(host) ?? least, mtuOf(name) ?? least);
    return await peerItem(machine, { name, from: vtep, to: vtepIp, mtu });
  }));
  return [ok("vtep", `tunnel address ${vtep} is on ${link.ifname}, MTU ${link.mtu}`), ...items];
}

/** A ping of full size that may not be fragmented, after a small one. */
async function peerItem(
  machine: Machine,
  { name, from, to, mtu }: {
    readonly name: string;
    readonly from: string;
    readonly to: string;
    readonly mtu: number;
  },
): Promise<CheckItem> {
  const ping = (size: number) =>
    machine.run("ping", "-n", "-q", "-c1", "-W1", "-Mdo", "-I", from, "-s", String(size), to)
      .then(() => true, (error) => {
        if (/not installed/.test(String(error))) throw error;
        return false;
      });
  try {
    const [small, full] = await Promise.all([ping(SMALL), ping(mtu - PING_HEADERS)]);
    if (full) return ok("mtu", `packets of ${mtu} bytes reach ${name} (${to})`);
    if (small) {
      return failed(
        "mtu",
        `packets of ${mtu} bytes do not reach ${name} (${to}), small ones do`,
        "a hop between has a smaller MTU: raise it there, or lower that of this link",
      );
    }
    return warning(
      "mtu",
      `${name} (${to}) does not answer pings: MTU not checked`,
      "see whether it is up, and firewalls",
    );
  } catch {
    return warning(
      "mtu",
      `MTU to ${name} not checked: ping is not installed`,
      "install iputils-ping",
    );
  }
}
