// Runs all checks of this host side by side, each group with a limit, also when the agent is dead.

import { withDeadline } from "../../util/async/deadline.ts";
import { Fault, faultFrom } from "../../util/errors.ts";
import { VERSION } from "../../util/version.ts";
import type { AgentSettings, CheckItem, DoctorAnswer, HealthAnswer } from "../api/agent_health.ts";
import { settingsFileOf } from "../api/agent_socket.ts";
import { askAgent } from "../client.ts";
import { checkAgent } from "./check_agent.ts";
import { checkApiServer } from "./check_api_server.ts";
import { checkCni } from "./check_cni.ts";
import { checkConnections } from "./check_connections.ts";
import { checkEtcd } from "./check_etcd.ts";
import { checkHost } from "./check_host.ts";
import { checkKernel } from "./check_kernel.ts";
import { checkKubelet } from "./check_kubelet.ts";
import { checkLeftovers } from "./check_leftovers.ts";
import { checkNetwork } from "./check_network.ts";
import { checkStore } from "./check_store.ts";
import { checkSwitch } from "./check_switch.ts";
import { checkTunnels } from "./check_tunnels.ts";
import { fabricRecordsReader } from "./fabric_records.ts";
import { type CheckContext, findingsOf, type GroupCheck } from "./findings.ts";
import { CALL_MS, type Machine, thisMachine } from "./machine.ts";

/**
 * The checks, in the order in which they are shown: what is below comes first. All run side by side, each with its own
 * limit, so that one that hangs keeps nothing of the others.
 */
const CHECKS: readonly (readonly [group: string, check: GroupCheck])[] = [
  ["host", checkHost],
  ["host", checkKernel],
  ["Open vSwitch", checkSwitch],
  ["Open vSwitch", checkConnections],
  ["store", checkStore],
  ["store", checkEtcd],
  ["network", checkNetwork],
  ["network", checkTunnels],
  ["Kubernetes", checkApiServer],
  ["agent", checkAgent],
  ["callers", checkCni],
  ["callers", checkKubelet],
  ["callers", checkLeftovers],
];

// All of it is to end within 3 s, which are enough for a person who waits; the process starts in some 0.2 s.
const CHECK_MS = 2_500;
/** An agent that works answers in a few; without an answer in this time, the settings that it left count. */
const SETTINGS_MS = 150;

/** Returns what is known of the agent: its answer, or why there is none. */
async function healthOf(ask: () => Promise<HealthAnswer>): Promise<HealthAnswer | Fault> {
  try {
    return await ask();
  } catch (error) {
    return faultFrom(error);
  }
}

// An agent that has just started connects to Open vSwitch within milliseconds.
const LOOKS = 5;
const LOOK_MS = 80;

/** Returns the agent's state; one that is connecting to Open vSwitch at this moment is given a little time. */
export async function settledHealth(
  ask: () => Promise<HealthAnswer>,
  pause: (ms: number) => Promise<void>,
): Promise<HealthAnswer | Fault> {
  let health = await healthOf(ask);
  for (let looks = 1; looks < LOOKS; looks++) {
    if (health instanceof Fault || (health.ovsdb === "up" && health.openflow === "up")) break;
    await pause(LOOK_MS);
    health = await healthOf(ask);
  }
  return health;
}

/** Where things are if no agent has ever said otherwise: the defaults of its flags. */
function defaultSettings(): AgentSettings {
  const stateDir = Deno.env.get("K8CONTIVNET_STATE_DIR") || "/var/lib/k8contivnet";
  return {
    host: Deno.env.get("K8CONTIVNET_HOST_LABEL") || Deno.hostname(),
    stateDir,
    ovsdb: Deno.env.get("K8CONTIVNET_OVSDB") || "unix:/var/run/openvswitch/db.sock",
    ovsRundir: Deno.env.get("K8CONTIVNET_OVS_RUNDIR") || "/var/run/openvswitch",
    bridge: Deno.env.get("K8CONTIVNET_BRIDGE") || "contivBridge",
    docker: Deno.env.get("K8CONTIVNET_DOCKER") || "unix:/var/run/docker.sock",
    store: Deno.env.get("K8CONTIVNET_STORE") || `sqlite:${stateDir}/store.db`,
  };
}

/** Returns the settings of the agent, of the last one, or the defaults. */
async function settingsAt(
  machine: Machine,
  socket: string,
  asked: Promise<HealthAnswer | Fault>,
): Promise<AgentSettings> {
  const quick = await Promise.race([asked, pauseFor(SETTINGS_MS)]);
  if (quick && !(quick instanceof Fault) && quick.settings) return quick.settings;
  try {
    const left = JSON.parse(await machine.readText(settingsFileOf(socket)));
    return { ...defaultSettings(), ...left };
  } catch {
    // An agent of an older version leaves none, and may be slow.
    const health = await asked;
    return health instanceof Fault ? defaultSettings() : health.settings ?? defaultSettings();
  }
}

/** Checks this host, whose agent listens at `socket`. Never rejects for what it finds. */
export async function examineHost(socket: string): Promise<DoctorAnswer> {
  return await examine(await hostContext(socket));
}

/** Returns what is known of this host, whose agent listens at `socket`, alive or dead. */
export async function hostContext(socket: string): Promise<CheckContext> {
  const machine = thisMachine();
  const health = settledHealth(
    () => askAgent({ socket, method: "GET", path: "/v1/health", limitMs: CALL_MS }),
    pauseFor,
  );
  const settings = await settingsAt(machine, socket, health);
  const fabricRecords = fabricRecordsReader(machine, settings);
  return { machine, socket, health, settings, fabricRecords, version: VERSION };
}

function pauseFor(ms: number): Promise<undefined> {
  return new Promise((done) => setTimeout(() => done(undefined), ms));
}

/** Runs all checks. */
export async function examine(
  context: CheckContext,
  { checks: given = CHECKS, limitMs = CHECK_MS }: {
    readonly checks?: typeof CHECKS;
    readonly limitMs?: number;
  } = {},
): Promise<DoctorAnswer> {
  const endMs = performance.now() + limitMs;
  const checks = (await Promise.all(given.map(async ([group, check]): Promise<CheckItem[]> => {
    const { failed, fault } = findingsOf(group);
    try {
      const late = () => new Fault("timeout", `checks did not end within ${limitMs} ms`);
      return await withDeadline(endMs, late, check(context));
    } catch (error) {
      return [
        error instanceof Fault
          ? fault("limit", error, "see what of it hangs, and run it again")
          : failed("limit", faultFrom(error).message, "report it, with the output of -o json"),
      ];
    }
  }))).flat();
  return { ok: checks.every(({ state }) => state !== "failed"), checks };
}
