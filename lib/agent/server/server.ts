// The agent's HTTP interface on its unix socket. Decodes, checks, puts work for one sandbox in line,
// and turns Faults into bodies. Knows no driver.

import { parseName, parseSandboxId } from "../../util/names.ts";
import { LONG_NAME_LIMIT } from "../../util/names.ts";
import { scope } from "../../util/fault_hooks.ts";
import { Fault, FAULT_CODES, faultFrom } from "../../util/errors.ts";
import {
  type BindRequest,
  type FaultBody,
  type GcAnswer,
  type HealthAnswer,
  INTENT_BYTES,
  type IntentRequest,
  type PlanAnswer,
  type PodRequest,
  type PodVerb,
  type RepairAnswer,
  type SetupAnswer,
  type StatusAnswer,
  type TeardownAnswer,
  type TraceRequest,
  type WhyAnswer,
} from "../api.ts";
import { type IntentStore, planRequest } from "../store/apply.ts";
import { collectLocal } from "../gc/collect_local.ts";
import { removeHost } from "../store/remove_host.ts";
import { repairClaims } from "../store/repair_claims.ts";
import { listItems } from "./list_items.ts";
import { named } from "./item_names.ts";
import { metadataOf } from "../pods/dynamic_endpoint_claim.ts";
import { setupPod } from "../pods/setup.ts";
import { statusOfPod, teardownPod } from "../pods/teardown.ts";
import { explainPod } from "../pods/explain_pod.ts";
import { policyItems } from "../policy/policy_items.ts";
import { parseKubeInput } from "../policy/kube_input.ts";
import type { World } from "../world.ts";

// An intent inside of a body is longer than by itself: each quote takes two bytes.
const BODY_BYTES = 2 * INTENT_BYTES;

/** What the server answers from. */
export interface ServerParts {
  readonly world: World;
  readonly intents: IntentStore;
  readonly health: () => HealthAnswer;
}

/** Answers one request. Never throws. */
export async function answer(parts: ServerParts, request: Request): Promise<Response> {
  try {
    const { pathname: path, searchParams } = new URL(request.url);
    const value = request.method === "GET"
      ? await answerGet(parts, path, searchParams.get("name") ?? undefined)
      : await answerPost(parts, path, await readBody(request));
    return Response.json(value);
  } catch (error) {
    const fault = faultFrom(error);
    if (fault.code === "failed") parts.world.log.debug(String((error as Error)?.stack ?? error));
    const { code, what, why, fix } = fault;
    const body: FaultBody = { code, what, ...(why ? { why } : {}), ...(fix ? { fix } : {}) };
    return Response.json(body, { status: FAULT_CODES[code].http });
  }
}

async function answerGet(
  { world, health }: ServerParts,
  path: string,
  name: string | undefined,
): Promise<unknown> {
  if (path === "/v1/health") return health();
  if (path === "/v1/policies") return named(await policyItems(world), name);
  const kind = /^\/v1\/([a-z]+)$/.exec(path)?.[1] ?? "";
  // Who checks has changed something by another way, and wants to see it; a store that is away is
  // no reason to say nothing.
  if (kind === "differences") await world.store.catchUp().catch(() => {});
  return listItems(world, kind, name);
}

async function answerPost(
  { world, intents }: ServerParts,
  path: string,
  body: Record<string, unknown>,
): Promise<unknown> {
  switch (path) {
    case "/v1/setup":
      return await answerVerb(world, "setup", podOf(body));
    case "/v1/teardown":
      return await answerVerb(world, "teardown", podOf(body));
    case "/v1/status":
      return await answerVerb(world, "status", podOf(body));
    case "/v1/plan":
      return planRequest(world.store.documents, intentOf(body)).answer;
    case "/v1/apply":
      return await applied(world, intents, intentOf(body));
    case "/v1/repair":
      return await repair(world, body.dryRun === true);
    case "/v1/gc":
      return await collect(world, body);
    case "/v1/why":
      return await explain(world, body);
    case "/v1/bind":
      return await applied(world, intents, bindingOf(body));
    case "/v1/kubernetes":
      world.policies.setKube(parseKubeInput(body));
      await world.policies.ensure(world);
      return {};
    case "/v1/trace":
      return await (await import("../policy/trace_packet.ts")).tracePacket(world, traceOf(body));
    default:
      throw new Fault("not_found", `agent has no ${path}`, { fix: "see k8contivnet help" });
  }
}

async function repair({ store, log }: World, isDry: boolean): Promise<RepairAnswer> {
  const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
  const answer = await repairClaims(store, { isDry, pause });
  const done = isDry ? [] : answer.acts.filter(({ act }) => act !== "keep");
  for (const { act, claim, why } of done) log.info("claim repaired", { act, claim, why });
  return answer;
}

async function collect(world: World, body: Record<string, unknown>): Promise<GcAnswer> {
  const isDry = body.dryRun === true;
  const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
  if (body.host === undefined) return await collectLocal(world, { isDry, pause });
  const host = parseName("host", text(body, "host"), LONG_NAME_LIMIT);
  const { host: self, store, log, wallMs } = world;
  const isForced = body.force === true;
  try {
    const answer = await removeHost(store, { host, self, isDry, isForced, pause, wallMs });
    if (!isDry) log.info("host given up", { host, acts: answer.acts.length });
    return answer;
  } finally {
    // Also what was done before it met something: pods here may wait for such a place.
    [world.reconcileSignal, world.fabricSignal, world.policies.signal].forEach((bell) =>
      bell.notify()
    );
  }
}

/** Does what a kubelet's verb asks, one after another for one sandbox. Faults: as setupPod(). */
export async function answerVerb(
  world: World,
  verb: PodVerb,
  pod: PodRequest,
): Promise<SetupAnswer | TeardownAnswer | StatusAnswer> {
  if (verb === "status") return statusOfPod(world, pod);
  world.memoryTrim.note();
  const work = verb === "setup" ? setupPod : teardownPod;
  return await world.queue.run<SetupAnswer | TeardownAnswer>(
    pod.sandbox,
    () => scope<SetupAnswer | TeardownAnswer>(verb, () => work(world, pod)),
  );
}

async function explain(world: World, body: Record<string, unknown>): Promise<WhyAnswer> {
  const pod = {
    namespace: parseName("namespace", text(body, "namespace"), LONG_NAME_LIMIT),
    name: parseName("pod name", text(body, "name"), LONG_NAME_LIMIT),
  };
  const left = world.unmatched.list().find((one) =>
    one.pod.namespace === pod.namespace && one.pod.name === pod.name
  );
  return await explainPod({
    documents: world.store.documents,
    knownOf: () => metadataOf(world, pod, left?.labels),
    host: world.host,
    leftWhy: left?.reason,
  }, pod);
}

/** What an intent changed may concern this host, and a pod that came before its endpoint. */
async function applied(
  world: World,
  intents: IntentStore,
  request: IntentRequest,
): Promise<PlanAnswer> {
  world.memoryTrim.note();
  const answer = await intents.apply(request);
  if (answer.revision === undefined) return answer;
  world.reconcileSignal.notify();
  // Who applied a policy finds it in force on this host; what fails is tried again, and said.
  await world.policies.ensure(world).catch(() => world.policies.signal.notify());
  return answer;
}

async function readBody(request: Request): Promise<Record<string, unknown>> {
  const value = parseJson(await readText(request));
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ...value };
  throw new Fault("usage", "request refused", {
    why: "its body is no JSON object",
    fix: "use the k8contivnet commands",
  });
}

/** Reads no more than may be: a length that is told beforehand may be none. */
async function readText({ body, headers }: Request): Promise<string> {
  const decoder = new TextDecoder();
  let [text, bytes] = ["", Number(headers.get("content-length") ?? 0)];
  if (bytes <= BODY_BYTES) {
    bytes = 0;
    for await (const chunk of body ?? []) {
      bytes += chunk.length;
      if (bytes > BODY_BYTES) break;
      text += decoder.decode(chunk, { stream: true });
    }
  }
  if (bytes <= BODY_BYTES) return text + decoder.decode();
  throw new Fault("usage", "request refused", {
    why: `its body is over ${BODY_BYTES} bytes`,
    fix: "apply the intent in parts",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function podOf(body: Record<string, unknown>): PodRequest {
  return {
    namespace: parseName("namespace", text(body, "namespace"), LONG_NAME_LIMIT),
    name: parseName("pod name", text(body, "name"), LONG_NAME_LIMIT),
    sandbox: parseSandboxId(text(body, "sandbox")),
  };
}

const MODES = ["add", "replace", "delete", "bindings"] as const;

function intentOf(body: Record<string, unknown>): IntentRequest {
  const mode = MODES.find((one) => one === body.mode);
  if (!mode) throw new Fault("usage", "mode is none of add, replace, delete, bindings");
  return {
    mode,
    text: text(body, "text"),
    force: body.force === true,
    strict: body.strict === true,
  };
}

/** `bind POD HOST [ID]` is one line of a bindings file. */
function bindingOf(body: Record<string, unknown>): IntentRequest {
  const { pod, host, attachUuid } = body as unknown as BindRequest;
  const binding = {
    Container: parseName("pod", String(pod), LONG_NAME_LIMIT),
    Host: parseName("host", String(host), LONG_NAME_LIMIT),
    ...(attachUuid ? { AttachUUID: parseSandboxId(attachUuid) } : {}),
  };
  return { mode: "bindings", text: JSON.stringify([binding]) };
}

function traceOf(body: Record<string, unknown>): TraceRequest {
  const protocol = (["tcp", "udp", "icmp"] as const).find((one) => one === body.protocol);
  if (!protocol) throw new Fault("usage", "protocol is none of tcp, udp, icmp");
  const port = Number(body.port ?? 0);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new Fault("usage", `port ${port} is none of 0-65535`);
  }
  return { source: text(body, "source"), destination: text(body, "destination"), protocol, port };
}

function text(body: Record<string, unknown>, key: string): string {
  const value = body[key];
  if (typeof value === "string") return value;
  throw new Fault("usage", `request lacks "${key}"`, { fix: "use the k8contivnet commands" });
}
