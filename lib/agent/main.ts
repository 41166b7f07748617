// Starts and stops the agent: locks, server, store, drivers, first reconciliation, loops. The order
// matters: requests are answered only when this host is as it should be. Until then they are answered with
// "unavailable" and what the agent waits for, and callers try again.

import type { CniInput } from "../cni/cni_types.ts";
import { pause } from "../util/async/pause.ts";
import { Fault, faultFrom, isUnreachable, systemWords } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import { systemClock } from "../util/clock.ts";
import type { HealthAnswer } from "./api/agent_health.ts";
import { EventLog } from "./event_log.ts";
import { keepEvents, restoreEvents } from "./saved_events.ts";
import { openDrivers, openLimitedStore } from "./drivers.ts";
import { kubeAtStart } from "./kube/policy_feed.ts";
import type { Metrics } from "./metrics/serve_metrics.ts";
import { type AgentOptions, isShared } from "./options.ts";
import type { DropLogDeps } from "./policy/drop_log.ts";
import { lockFile } from "./server/lock_file.ts";
import { healthOf } from "./server/health.ts";
import { leaveSettings, leaveSocketPath, settingsOf } from "./agent_settings.ts";
import { listenPrivately } from "./server/private_socket.ts";
import { RequestGate } from "./server/request_gate.ts";
import { answer } from "./server/server.ts";
import { TeardownNotes } from "./server/teardown_notes.ts";
import { LoopProgress, reportTo } from "./service_manager.ts";
import { startLoops } from "./start_loops.ts";
import { Intents } from "./store/intents.ts";
import { join } from "./store/join.ts";
import { instanceOf, Presence, type PresenceOptions } from "./store/presence.ts";
import { Snapshot } from "./store/snapshot.ts";
import { StoreCache } from "./store/store_cache.ts";
import { UnreadableRecords } from "./store/unreadable_records.ts";
import { logChoice } from "./warm_choice.ts";
import { type Agent, wireAgent } from "./wiring.ts";

/** Runs the agent until `signal` aborts. Faults: what keeps it from starting. */
export async function runAgent(
  options: AgentOptions,
  ownLog: Log,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const events = new EventLog(options.hostLabel, () => new Date().toISOString());
  const log = events.recording(ownLog);
  await options.kube?.access(); // a wrong kubeconfig is reported at once
  const { stateDir, socket } = options;
  await makeStateDir(stateDir);
  stack.use(await lockFile(`${stateDir}/lock`, `state folder ${stateDir}`));
  await restoreEvents(`${stateDir}/events.json`, events);
  const listener = stack.use(await listenPrivately(socket));
  await leaveSocketPath(stateDir, socket, log);
  const gate = stack.use(new RequestGate(socket, log));
  const metrics = await openMetrics(options, { gate, log, events });
  stack.use(metrics);
  await removeDoor(socket);
  const server = listener.serve(
    (request) => gate.request(request),
    (error) => log.error(`socket failed, opened again: ${faultFrom(error).message}`),
  );
  const front = stack.use(new AsyncDisposableStack());
  front.defer(() => server.shutdown());
  const progress = new LoopProgress(systemClock);
  const manager = reportTo(options.serviceManager, {
    ...{ progress, log },
    startsWith: () => gate.waitsFor ?? "",
  });
  manager?.keep(signal);
  const snapshot = isShared(options) ? new Snapshot(stateDir, log) : undefined;
  const store = await openStoreCache(options, { snapshot, gate, stack, metrics });
  if (signal.aborted) return; // reading a large store takes long
  const intents = new Intents(store, () => new Date().toISOString());
  const drivers = await openDrivers(options, stack);
  logChoice(drivers.ports, log);
  const hasCluster = options.kube !== undefined;
  const meter = metrics?.meter;
  const parts = { options, drivers, store, intents, log, hasCluster, meter, events, progress };
  const agent = wireAgent(parts, stack);
  const { unmatched } = agent.sandboxes;
  metrics?.follow({ ...agent, host: options.hostLabel, switch: drivers.switch, unmatched });
  if (options.logsDrops) await startDropLog(options, agent, { log: ownLog, events }, stack);
  const own = new AbortController();
  const stopping = AbortSignal.any([signal, own.signal]);
  stack.defer(() => own.abort());
  if (options.kube) agent.policies.setKube(await kubeAtStart(stateDir));
  drivers.switch.onChange(() => {
    agent.policies.recheck();
    agent.signals.reconcile.notify();
  });
  const presence = isShared(options)
    ? new Presence(store, await presenceOptions(options, agent, stopping))
    : undefined;
  const onStep = (what: string) => gate.step(what);
  const joinStore = () =>
    join({
      ...{ presence, intents, files: options.intents, log, onStep },
      recordHostRange: () => recordRange(store, options.hostRange),
      host: options.hostLabel,
    });
  const unreadable = new UnreadableRecords(log);
  unreadable.log(store.documents);
  if (!store.unreachable) await joinStore();
  else log.warn(`store unreachable, serving what is known: ${store.unreachable.message}`);

  await gate.step("reconciling this host's links and ports");
  await reconcileFirst(agent, log);
  const { tearDown, answerCni } = agent;
  const notes = new TeardownNotes({ socket, stateDir, tearDown, answerCni, log });
  await notes.handle();
  const loops = startLoops(
    {
      ...{ options, agent, links: drivers.links, presence, joinStore, intents },
      ...{ snapshot, unreadable, notes, log },
    },
    stopping,
    stack,
  );
  const settings = settingsOf(options);
  await leaveSettings(socket, settings, log);
  const health = () => healthOf({ ...agent, options, settings, switch: drivers.switch });
  const keeping = keepEvents(`${stateDir}/events.json`, events, ownLog, stopping);
  openGate(gate, { agent, notes, health, meter });
  metrics?.noteReady(health);
  agent.memoryTrim.note();
  await notes.handle(); // of callers that gave up just before requests were answered
  const ports = drivers.ports.hasWarmPorts ? "warm" : "plain";
  log.info("agent ready", { host: options.hostLabel, socket, ports });
  manager?.ready();
  const stopped = new Promise<void>((done) => {
    stopping.addEventListener("abort", () => done());
    if (stopping.aborted) done();
  });
  await Promise.race([stopped, ...loops.vital]);
  log.info("stopping");
  gate.noteStopping();
  await front.disposeAsync();
  await agent.sandboxes.queue.idle();
  own.abort();
  await Promise.allSettled([...loops.all, keeping]);
}

/** From now on requests are answered. */
function openGate(gate: RequestGate, { agent, notes, health, meter }: {
  readonly agent: Agent;
  readonly notes: TeardownNotes;
  readonly health: () => HealthAnswer;
  readonly meter: Metrics["meter"] | undefined;
}): void {
  const answerCni = (input: CniInput) =>
    meter ? meter.cniCall(input.command, () => notes.answerCni(input)) : notes.answerCni(input);
  const runtimes = { ...agent.server.runtimes, answerCni };
  gate.open({
    request: (request) => answer({ ...agent.server, runtimes, health }, request),
    verb: async (verb, pod) => {
      const answer = await agent.answerVerb(verb, pod);
      return "ip" in answer ? answer : {};
    },
    cni: answerCni,
  });
}

/** Metrics and probes; their code is loaded only with --listen. */
async function openMetrics(
  { listen, version, hostLabel: host }: AgentOptions,
  { gate, log, events }: {
    readonly gate: RequestGate;
    readonly log: Log;
    readonly events: EventLog;
  },
): Promise<Metrics | undefined> {
  if (!listen) return undefined;
  const { Metrics } = await import("./metrics/serve_metrics.ts");
  const metrics = new Metrics({ listen, version, host, gate, log });
  events.onEvent = ({ kind, message }) => metrics.meter.event(kind, message);
  return metrics;
}

/** Records the host range of the flag; the code is loaded only with the flag. */
async function recordRange(store: StoreCache, hostRange: string | undefined): Promise<void> {
  if (hostRange === undefined) return;
  const { recordHostRange } = await import("./reach/host_number.ts");
  await recordHostRange(store, hostRange);
}

async function makeStateDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Fault("unavailable", `state folder ${path} cannot be created`, {
      why: systemWords(cause),
      fix: "give another --state-dir, and run as root",
      cause,
    });
  }
}

/** Opens the store and reads it, or what was known of it last; `stack` closes it. */
async function openStoreCache(
  options: AgentOptions,
  { snapshot, gate, stack, metrics }: {
    readonly snapshot: Snapshot | undefined;
    readonly gate: Pick<RequestGate, "waitFor">;
    readonly stack: AsyncDisposableStack;
    readonly metrics: Pick<Metrics, "store"> | undefined;
  },
): Promise<StoreCache> {
  const opened = await openLimitedStore(options);
  const store = metrics?.store(opened) ?? opened;
  stack.defer(() => store.close());
  const known = async () => await snapshot?.load() ?? { documents: new Map() };
  const onRead = (count: number) => gate.waitFor(`reading the store, ${count} documents so far`);
  return await StoreCache.open(store, known, {
    ...{ isShared: isShared(options), scope: options.hostLabel, onRead },
  });
}

async function presenceOptions(
  { stateDir, hostLabel, version, beatMs, takeOver }: AgentOptions,
  { mtus }: Agent,
  signal: AbortSignal,
): Promise<PresenceOptions> {
  return {
    self: { host: hostLabel, instance: await instanceOf(stateDir), version },
    beatMs,
    takeOver,
    pause: (ms) => pause(ms, signal),
    mtu: () => mtus.own,
    clock: () => new Date().toISOString(),
  };
}

/** Its code is loaded only with --log-drops. */
async function startDropLog(
  { ovsRundir: rundir, bridge }: AgentOptions,
  { policies }: Agent,
  written: Pick<DropLogDeps, "log" | "events">,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { logDrops } = await import("./policy/drop_log.ts");
  stack.use(logDrops({ ...written, policies }, { rundir, bridge }));
}

/** Repairs what a crash left. If Open vSwitch is unreachable, the loop goes on trying. */
async function reconcileFirst({ loops, signals }: Agent, log: Log): Promise<void> {
  try {
    await loops.reconcile.reconcileOnce();
  } catch (error) {
    const fault = faultFrom(error);
    if (!isUnreachable(fault)) throw error;
    log.warn(`Open vSwitch unreachable, serving what can be served: ${fault.message}`);
    signals.reconcile.notify();
  }
}

/** Removes the folder by which launchers asked earlier versions (up to 0.2.0); those launchers then start their program. */
async function removeDoor(socket: string): Promise<void> {
  const folder = `${socket}.door`;
  const isFolder = await Deno.lstat(folder).then((info) => info.isDirectory, () => false);
  if (isFolder) await Deno.remove(folder, { recursive: true }).catch(() => {});
}
