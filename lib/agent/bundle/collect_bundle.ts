// Collects everything that somebody who looks into a problem of this host asks for, also when the agent is dead: each
// part by itself, within its limit. A part that cannot be had says why. No secrets: see redactor.ts.

import { withDeadline } from "../../util/async/deadline.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import type { Report } from "../../util/progress.ts";
import type { HealthAnswer } from "../api/agent_health.ts";
import { settingsFileOf } from "../api/agent_socket.ts";
import { askAgent } from "../client.ts";
import { examine, hostContext } from "../doctor/examine_host.ts";
import type { CheckContext } from "../doctor/findings.ts";
import { type AgentProcess, agentProcess } from "./agent_process.ts";
import { Redactor } from "./redactor.ts";
import { knownSecrets } from "./secrets.ts";
import type { TarFile } from "../../util/tar_archive.ts";
import { outputOf } from "./outside.ts";

const PART_MS = 15_000;
/** Characters of a part; of logs the end is kept, of others the beginning. */
const MOST = 8 * 1024 * 1024;

/** One part of a bundle as it was collected. */
export interface BundlePart extends TarFile {
  /** Why it is not there. */
  readonly error?: string;
}

/** A bundle. */
export interface Bundle {
  /** This host's label. */
  readonly host: string;
  readonly parts: readonly BundlePart[];
}

type Collect = () => Promise<unknown>;

/** Collects the bundle of the host whose agent listens at `socket`. Never rejects for what a part cannot have. `report` has the parts. */
export async function collectBundle(
  socket: string,
  report: Report = () => {},
): Promise<Bundle> {
  const context = await hostContext(socket);
  const process = await agentProcess(pidOf(await context.health));
  const redactor = new Redactor(
    await knownSecrets({
      environments: [process.environment, Deno.env.toObject()],
      flags: process.flags,
      settings: context.settings,
      readText: (path) => context.machine.readText(path).catch(() => ""),
    }),
  );
  const collects = Object.entries(partsOf(context, process));
  let done = 0;
  const parts = await Promise.all(collects.map(async ([name, collect]) => {
    const part = await partOf(name, collect, redactor);
    report(++done, collects.length);
    return part;
  }));
  return { host: context.settings.host, parts };
}

function pidOf(health: HealthAnswer | Fault): number | undefined {
  return health instanceof Fault ? undefined : health.pid;
}

async function partOf(name: string, collect: Collect, redactor: Redactor): Promise<BundlePart> {
  try {
    const late = () => new Fault("timeout", `${name} was not there within ${PART_MS} ms`);
    const value = await withDeadline(performance.now() + PART_MS, late, collect());
    const text = typeof value === "string"
      ? redactor.text(shortened(name, value))
      : JSON.stringify(redactor.json(value), null, 1);
    return { name, text: `${text.trimEnd()}\n` };
  } catch (error) {
    const message = redactor.text(faultFrom(error).message);
    return { name, text: `not collected: ${message}\n`, error: message };
  }
}

function shortened(name: string, text: string): string {
  if (text.length <= MOST) return text;
  return name.startsWith("log") ? text.slice(-MOST) : `${text.slice(0, MOST)}\n(shortened)\n`;
}

/** The parts by file name. */
function partsOf(context: CheckContext, process: AgentProcess): Record<string, Collect> {
  const { machine, settings, socket, health, version } = context;
  const ask = (kind: string) => askAgent({ socket, method: "GET", path: `/v1/${kind}` });
  const ovs = ["ovs-vsctl", `--db=${settings.ovsdb}`, "--timeout=10"];
  const switchSocket = `unix:${settings.ovsRundir}/${settings.bridge}.mgmt`;
  const ofctl = (what: string) => outputOf("ovs-ofctl", "-OOpenFlow14", what, switchSocket);
  const appctl = (...words: string[]) =>
    outputOf("env", `OVS_RUNDIR=${settings.ovsRundir}`, "ovs-appctl", ...words);
  return {
    "version.json": async () => ({
      version,
      deno: Deno.version,
      system: await outputOf("uname", "-a"),
      release: await machine.readText("/etc/os-release").catch(() => ""),
      switch: await outputOf("ovs-vsctl", "--version").catch(errorText),
    }),
    "settings.json": () => Promise.resolve({ settings, ...process.shown }),
    "status.json": async () => {
      const answer = await health;
      if (answer instanceof Fault) throw answer;
      return answer;
    },
    "log-file.txt": () => process.log(),
    "log-journal.txt": () =>
      outputOf("journalctl", "-u", "k8contivnet", "-n", "20000", "--no-pager", "-o", "short-iso"),
    "events.json": () =>
      ask("events").catch(async () =>
        JSON.parse(await machine.readText(`${settings.stateDir}/events.json`))
      ),
    "attachments.json": () => ask("attachments"),
    "policies.json": () => ask("policies"),
    "records.json": () => recordsOf(context),
    "switch-rows.txt": async () => {
      const tables = ["Open_vSwitch", "Bridge", "Port", "Interface", "Controller", "Manager"];
      const texts = await Promise.all(
        tables.map(async (table) => `${table}\n\n${await outputOf(...ovs, "list", table)}\n`),
      );
      return texts.join("\n");
    },
    "switch-flows.txt": () => ofctl("dump-flows"),
    "switch-ports.txt": () => ofctl("dump-ports"),
    "switch-meters.txt": () => ofctl("dump-meters"),
    "switch-datapath.txt": () => appctl("dpctl/show"),
    "switch-datapath-flows.txt": () => appctl("dpctl/dump-flows"),
    "switch-counters.txt": () => appctl("coverage/show"),
    "links.txt": () => outputOf("ip", "-d", "-s", "link"),
    "addresses.txt": () => outputOf("ip", "address"),
    "routes.txt": async () =>
      `${await outputOf("ip", "route", "show", "table", "all")}\n${await outputOf("ip", "rule")}`,
    "neighbours.txt": () => outputOf("ip", "neighbour"),
    "namespaces.txt": () => outputOf("ip", "netns", "list"),
    "packet-filter.txt": () => outputOf("nft", "list", "ruleset"),
    "doctor.json": () => examine(context),
    "socket-settings.json": async () => JSON.parse(await machine.readText(settingsFileOf(socket))),
  };
}

function errorText(error: unknown): string {
  return faultFrom(error).message;
}

/** All documents of the store, as the settings name it: the agent need not be there. */
async function recordsOf({ machine, settings }: CheckContext): Promise<unknown> {
  const store = await machine.openStore(settings.store, settings.storeOptions ?? {});
  try {
    return await store.list("");
  } finally {
    await store.close();
  }
}
