// One simulated host for a test: a folder, an Open vSwitch, an agent of the built file, and pods.

import { isWarmPort } from "../../lib/agent/pods/port_external_ids.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { run } from "./run.ts";
import { waitFor } from "./wait.ts";
import { LabAgent } from "./agent.ts";
import { type Ovs, startOvs } from "./ovs.ts";
import { makePod, type Pod } from "./pod.ts";
import { removeFolder } from "./remove_folder.ts";

/** The built file, as `deno task build` leaves it. */
export const FILE = new URL("../../dist/k8contivnet", import.meta.url).pathname;

/** A host of a test; everything of it ends with it. */
export interface Host extends AsyncDisposable {
  readonly dir: string;
  readonly ovs: Ovs;
  readonly agent: LabAgent;
  /** Makes a pod's namespace, which goes with the host. */
  pod(name: string, namespace?: string): Promise<Pod>;
}

/** Starts a host with `intent` applied. */
export async function startHost(intent: unknown, ...flags: string[]): Promise<Host> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  const stack = new AsyncDisposableStack();
  stack.defer(() => removeFolder(dir));
  try {
    const ovs = stack.use(await startOvs(`${dir}/ovs`));
    const agent = stack.use(new LabAgent({ file: FILE, dir: `${dir}/agent`, ovs, flags }));
    await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intent));
    await agent.start("--intent", `${dir}/intent.json`);
    const pod = async (name: string, namespace?: string) =>
      stack.use(await makePod(name, namespace));
    return { dir, ovs, agent, pod, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** An intent with one VLAN network `blue` of tenant `t` that names pods pod0, pod1, … */
export function intentOf(pods: number, subnetPool = "10.9.0.0/16"): unknown {
  return {
    Tenants: [tenantWith({
      SubnetPool: subnetPool,
      AllocSubnetLen: 16,
      Networks: [{
        Name: "blue",
        Endpoints: Array.from({ length: pods }, (_, n) => ({ Container: `pod${n}` })),
      }],
    })],
  };
}

/** What a host has of ours, each as a sorted list: equal before and after means nothing was left. */
export interface WorldSets {
  readonly ports: readonly string[];
  readonly links: readonly string[];
  readonly claims: readonly string[];
  readonly attachments: readonly string[];
  readonly flows: readonly string[];
  /** Tables of the packet filter. */
  readonly filter: readonly string[];
}

/** Waits until pods get warm ports. */
export async function poolFilled({ agent }: Pick<Host, "agent">): Promise<void> {
  const isFilled = async () => (await agent.logText()).includes("warm ports added");
  await waitFor("warm ports", isFilled, { limitMs: 30_000 });
}

/**
 * Waits until these hosts, which have pods, add no more ports ahead, if they do. When any link of a host comes or goes,
 * the userspace datapath forgets all routes and reads them anew, and drops the packets of tunnels meanwhile.
 */
export async function linksAtRest(hosts: readonly Pick<Host, "agent">[]): Promise<void> {
  for (const host of hosts) {
    if (/ agent ready .*ports=warm/.test(await host.agent.logText())) await poolFilled(host);
  }
}

/**
 * Waits until a pod of another host answers. For where a link has just come or gone, such as that of a sandbox that was
 * replaced, which goes after the answer: the first packets may be dropped then, as linksAtRest() says.
 */
export function tunnelAnswers(pod: Pick<Pod, "pings">, address: string): Promise<unknown> {
  return waitFor(`an answer of ${address}`, () => pod.pings(address));
}

/** Returns the names of the host's ports that wait for a pod. */
export async function parkedPorts(host: Pick<Host, "ovs">): Promise<string[]> {
  return (await warmPorts(host)).flatMap(({ name, hasPod }) => hasPod ? [] : [name]);
}

/** Returns the host's warm ports, and which of them have a pod. */
export async function warmPorts({ ovs }: Pick<Host, "ovs">): Promise<WarmPort[]> {
  const columns = ["--columns=name,external_ids", "--format=csv", "--no-headings"];
  const rows = (await ovs.vsctl(...columns, "list", "Port")).split("\n");
  return rows.flatMap((row) => {
    const [name] = /\bcw[0-9a-f]{11}\b/.exec(row) ?? [];
    return name === undefined ? [] : [{ name, hasPod: row.includes("attachment=") }];
  });
}

/** A port that waits for a pod, or has one. */
interface WarmPort {
  readonly name: string;
  readonly hasPod: boolean;
}

/** Waits while ports are being made ahead: their links come before their rows. Links that stay alone are left to see. */
async function poolAtRest(host: Pick<Host, "ovs">): Promise<void> {
  const isAtRest = async () => {
    const links = (await run("ip", ["-o", "link"])).match(/\bcw[0-9a-f]{11}\b/g) ?? [];
    if (links.length === 0) return true;
    const names = (await warmPorts(host)).map(({ name }) => name);
    return links.every((name) => names.includes(name));
  };
  await waitFor("links of parked ports to have rows", isAtRest, { limitMs: 5_000 }).catch(() => {});
}

/**
 * Looks with other eyes than the agent's: ovs-vsctl, ovs-ofctl, ip, and the store's file itself. Ports that wait for a
 * pod are left out: how many there are is the agent's matter.
 */
export async function worldOf(host: Host): Promise<WorldSets> {
  await poolAtRest(host);
  const world = await lookAt(host);
  if (!world.links.some((name) => isWarmPort(name) && !world.ports.includes(name))) return world;
  // Some were being made during the look.
  await poolAtRest(host);
  return await lookAt(host);
}

async function lookAt({ ovs, agent }: Host): Promise<WorldSets> {
  const before = await parkedPorts({ ovs });
  const [ports, links, flows, filter] = await Promise.all([
    ovs.vsctl("--columns=name", "--format=csv", "--no-headings", "list", "Port"),
    run("ip", ["-j", "link"]),
    run("ovs-ofctl", [
      "-OOpenFlow13",
      "--no-stats",
      "dump-flows",
      `unix:${ovs.rundir}/contivBridge.mgmt`,
    ]),
    run("nft", ["-s", "list", "ruleset"]),
  ]);
  // Some may have been added or given to a pod meanwhile.
  const parked = [...before, ...await parkedPorts({ ovs })];
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(`${agent.stateDir}/store.db`, { readOnly: true });
  const keys = database.prepare("SELECT key FROM documents").all().map((row) => String(row.key));
  database.close();
  const names = (JSON.parse(links) as { ifname: string }[]).map((link) => link.ifname);
  return {
    ports: ports.split("\n").filter((name) => !parked.includes(name)).sort(),
    links: names.filter((name) => !parked.includes(name)).sort(),
    claims: keys.filter((key) => key.includes("claims/")).sort(),
    attachments: keys.filter((key) => key.includes("attachments/")).sort(),
    flows: flows.split("\n").map((line) => line.replace(/cookie=\w+, /, "").trim()).sort(),
    // Chained plugins leave empty chains of theirs in other tables.
    filter: filter.split(/^(?=table )/m).filter((table) => /^table \w+ k8contivnet/.test(table)),
  };
}

/** Waits until the host is as `before`: links, and what the agent collects, go a moment after the answer. */
export async function assertNothingLeft(host: Host, before: WorldSets): Promise<void> {
  const isLeft = async () => JSON.stringify(await worldOf(host)) === JSON.stringify(before);
  await waitFor("nothing to be left", isLeft, { limitMs: 90_000 });
}
