// Starts and stops the agent: locks, store, drivers, first look, server, loop. The order is the
// point: nobody is answered before this host is as it should be.

import { openLinkEvents } from "../net/open_links.ts";
import { Fault, faultFrom, systemWords } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { HealthAnswer } from "./api.ts";
import { openLimitedStore } from "./drivers.ts";
import type { KubeOptions } from "./kube/kube_options.ts";
import { kubeAtStart } from "./kube/policy_feed.ts";
import { IntentStore } from "./store/apply.ts";
import { pause } from "../util/async/pause.ts";
import { type Answerer, doorOf, openDoor } from "./server/door.ts";
import { followRuntime } from "./pods/follow_runtime.ts";
import { lockFile } from "./server/lock_file.ts";
import { join } from "./store/join.ts";
import { StoreCache } from "./store/store_cache.ts";
import { instanceOf, Presence, type PresenceOptions } from "./store/presence.ts";
import { Snapshot } from "./store/snapshot.ts";
import { unreadableLines, UnreadableRecords } from "./store/unreadable_records.ts";
import { handleNotes } from "./server/teardown_notes.ts";
import { syncFabric } from "./fabric/fabric_sync.ts";
import { reconcile, reconcileOnce } from "./reconcile/reconcile.ts";
import { watchDrift } from "./reconcile/drift_watch.ts";
import { enforcePolicies } from "./policy/policy_enforcer.ts";
import { expireHeldAddresses } from "./pods/held_addresses.ts";
import { answer, answerVerb } from "./server/server.ts";
import { listenPrivately } from "./server/private_socket.ts";
import { openWorld } from "./wiring.ts";
import { type AgentOptions, isShared } from "./options.ts";
import type { World } from "./world.ts";

const SNAPSHOT_MS = 2_000;

/** Runs the agent until `signal` aborts. Faults: what keeps it from starting. */
export async function runAgent(
  options: AgentOptions,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  await options.kube?.access(); // what is wrong with it is said at once
  await makeStateDir(options.stateDir);
  stack.use(await lockFile(`${options.stateDir}/lock`, `state folder ${options.stateDir}`));
  const listener = stack.use(await listenPrivately(options.socket));
  const store = await openLimitedStore(options);
  stack.defer(() => store.close());
  const snapshot = isShared(options) ? new Snapshot(options.stateDir, log) : undefined;
  const mirror = await StoreCache.open(store, await snapshot?.load() ?? new Map());
  const intents = new IntentStore(mirror, () => new Date().toISOString());
  const world = openWorld(options, mirror, log, stack);
  if (options.logsDrops) await beginDropLog(options, world, stack);
  const stopping = new AbortController();
  signal.addEventListener("abort", () => stopping.abort(), { once: true });
  stack.defer(() => stopping.abort());
  if (options.kube) world.policies.setKube(await kubeAtStart(options.stateDir));
  world.switch.onChange(() => {
    world.policies.recheck();
    world.reconcileSignal.notify();
  });
  const presence = isShared(options)
    ? new Presence(mirror, await presenceOptions(options, world, stopping.signal))
    : undefined;
  const joining = { presence, intents, files: options.intents, log };
  const strangers = new UnreadableRecords(log);
  strangers.log(mirror.documents);
  if (mirror.unreachable) {
    log.warn(`store is away, serving what is known: ${mirror.unreachable.message}`);
  } else await join(joining);

  await firstLook(world);
  await handleNotes(world, options.stateDir);
  let isLate = mirror.unreachable !== undefined;
  mirror.onTrouble((fault) =>
    fault
      ? log.warn(`store does not answer, serving what is known: ${fault.message}`)
      : log.info("store answers again")
  );
  const late = Promise.withResolvers<never>();
  const following = mirror.follow(stopping.signal, () => {
    world.fabricSignal.notify();
    world.policies.signal.notify();
    world.reconcileSignal.notify();
    strangers.log(mirror.documents);
    if (isLate) join(joining).then(() => log.info("store is back"), late.reject);
    isLate = false;
  });
  const beating = presence?.keep(stopping.signal, () => tellHeld(world));
  const saving = snapshot && keepSnapshot(snapshot, mirror, stopping.signal);
  const looking = reconcile(world, stopping.signal);
  const fabric = syncFabric(world, stopping.signal);
  const sticky = expireHeldAddresses(world, options.graceMs, stopping.signal);
  const events = openLinkEvents(world.links);
  stack.defer(() => events?.close());
  const watching = watchDrift(world, { events, stateDir: options.stateDir }, stopping.signal);
  const kube = options.kube && keepKube(options.kube, options.stateDir, world, stopping.signal);
  const policies = enforcePolicies(world, stopping.signal);
  const health = () => healthOf(options, world);
  const hearing = followRuntime(world, stopping.signal);
  // The door first: who has been answered over the socket finds it open.
  const door = await tryDoor(world, options.socket);
  const server = listener.serve(
    (request) => answer({ world, intents, health }, request),
    (error) => log.error(`socket broke, opened again: ${faultFrom(error).message}`),
  );
  world.memoryTrim.note();
  await handleNotes(world, options.stateDir); // of those that gave up just before they were served
  log.info("agent ready", { host: options.hostLabel, socket: options.socket });
  await Promise.race([
    new Promise<void>((done) => stopping.signal.addEventListener("abort", () => done())),
    // A watch that ends by an error ends the agent: a supervisor starts it anew.
    following,
    looking,
    late.promise,
    ...beating ? [beating] : [],
  ]);
  log.info("stopping");
  await door?.[Symbol.asyncDispose]();
  await server.shutdown();
  await world.queue.idle();
  stopping.abort();
  const loops = [following, looking, fabric, policies, sticky, watching, hearing, beating, saving];
  await Promise.allSettled([...loops, kube]);
}

async function makeStateDir(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Fault("unavailable", `state folder ${path} cannot be made`, {
      why: systemWords(cause),
      fix: "give another --state-dir, and run as root",
      cause,
    });
  }
}

async function presenceOptions(
  { stateDir, hostLabel, version, beatMs, takeOver }: AgentOptions,
  world: World,
  signal: AbortSignal,
): Promise<PresenceOptions> {
  return {
    self: { host: hostLabel, instance: await instanceOf(stateDir), version },
    beatMs,
    takeOver,
    pause: (ms) => pause(ms, signal),
    mtu: () => world.mtus.own,
    clock: () => new Date().toISOString(),
  };
}

/** What was set up while the store was away is told to it; what must yield is taken away by a look. */
async function tellHeld({ store, reconcileSignal, log }: World): Promise<void> {
  if (store.pendingCount === 0) return;
  const yielded = await store.replayPending();
  for (const pod of yielded) {
    log.warn("set-up made while the store was away yields: its endpoint has moved", { pod });
  }
  log.info("store was told what was set up while it was away");
  reconcileSignal.notify();
}

/** Saves what is known a moment after it has changed, and once more when `signal` aborts. */
async function keepSnapshot(
  snapshot: Snapshot,
  mirror: StoreCache,
  signal: AbortSignal,
): Promise<void> {
  do {
    await pause(SNAPSHOT_MS, signal);
    if (!mirror.unreachable) await snapshot.save(mirror.documents, mirror.revision);
  } while (!signal.aborted);
}

/** Follows the cluster beside all else; loaded only where there is one. */
async function keepKube(
  options: KubeOptions,
  stateDir: string,
  world: World,
  signal: AbortSignal,
): Promise<void> {
  const { ClusterSync } = await import("./kube/cluster_sync.ts");
  const kube = new ClusterSync(options, stateDir, world);
  world.kube = kube;
  world.store.onChange = (key) => kube.news(key);
  await kube.keep(signal);
}

/** Loaded only where it is asked for. */
async function beginDropLog(
  { ovsRundir: rundir, bridge }: AgentOptions,
  world: World,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { logDrops } = await import("./policy/drop_log.ts");
  stack.use(logDrops(world, { rundir, bridge }));
}

/** The first look heals what a crash left; an Open vSwitch that is away is waited for by the loop. */
async function firstLook(world: World): Promise<void> {
  try {
    await reconcileOnce(world);
  } catch (error) {
    const fault = faultFrom(error);
    if (fault.code !== "unavailable" && fault.code !== "timeout") throw error;
    world.log.warn(`Open vSwitch is away, serving what can be served: ${fault.message}`);
    world.reconcileSignal.notify();
  }
}

/** The door makes kubelets' calls quicker; without it they go over the socket as all others do. */
async function tryDoor(world: World, socket: string): Promise<AsyncDisposable | undefined> {
  const answerer: Answerer = async (verb, pod) => {
    const answer = await answerVerb(world, verb, pod);
    return "ip" in answer ? answer : {};
  };
  try {
    return await openDoor(doorOf(socket), answerer, world.log);
  } catch (error) {
    world.log.warn(`no door, calls take longer: ${faultFrom(error).message}`);
    return undefined;
  }
}

function healthOf(
  options: AgentOptions,
  { switch: ovs, store, kube, policies }: World,
): HealthAnswer {
  const trouble = store.unreachable ?? store.trouble;
  return {
    version: options.version,
    host: options.hostLabel,
    pid: Deno.pid,
    store: options.store,
    ...trouble ? { storeAway: trouble.message } : {},
    held: store.pendingCount,
    unreadable: unreadableLines(store.documents),
    ...ovs.state(),
    ...kube ? { kube: kube.health() } : {},
    ...policies.problem === undefined ? {} : { policies: policies.problem },
  };
}
