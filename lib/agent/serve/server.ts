// The agent's HTTP interface on its unix socket. Decodes, checks, puts work for one sandbox in line,
// and turns Faults into bodies. Knows no driver.

import { parseName, parseSandboxId } from "../../util/names.ts";
import { LONG_NAME_LIMIT } from "../../util/names.ts";
import { Fault, FAULT_CODES, faultFrom } from "../../util/errors.ts";
import type {
  BindRequest,
  FaultBody,
  HealthAnswer,
  IntentRequest,
  PlanAnswer,
  PodRequest,
  PodVerb,
  SetupAnswer,
  StatusAnswer,
  TeardownAnswer,
  TraceRequest,
} from "../api.ts";
import { type IntentStore, planRequest } from "../record/apply.ts";
import { listItems } from "./lists.ts";
import { setupPod } from "../pods/setup.ts";
import { statusOfPod, teardownPod } from "../pods/teardown.ts";
import { policyItems } from "../policy/items.ts";
import { parseKubeInput } from "../policy/kube_input.ts";
import type { World } from "../world.ts";

// A large intent has some 200 bytes an endpoint; 64 MB are 300,000 of them.
const BODY_LIMIT = 64 * 1024 * 1024;

/** What the server answers from. */
export interface ServerParts {
  readonly world: World;
  readonly intents: IntentStore;
  readonly health: () => HealthAnswer;
}

/** Answers one request. Never throws. */
export async function answer(parts: ServerParts, request: Request): Promise<Response> {
  try {
    const path = new URL(request.url).pathname;
    const value = request.method === "GET"
      ? await answerGet(parts, path)
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

async function answerGet({ world, health }: ServerParts, path: string): Promise<unknown> {
  if (path === "/v1/health") return health();
  if (path === "/v1/policies") return await policyItems(world);
  const kind = /^\/v1\/([a-z]+)$/.exec(path)?.[1] ?? "";
  return listItems(world, kind);
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
      return planRequest(world.mirror.documents, intentOf(body)).answer;
    case "/v1/apply":
      return await applied(world, intents, intentOf(body));
    case "/v1/bind":
      return await applied(world, intents, bindingOf(body));
    case "/v1/kubernetes":
      world.policies.setKube(parseKubeInput(body));
      await world.policies.ensure(world);
      return {};
    case "/v1/trace":
      return await (await import("../policy/trace.ts")).tracePacket(world, traceOf(body));
    default:
      throw new Fault("not_found", `agent has no ${path}`, { fix: "see k8contivnet help" });
  }
}

/** Does what a kubelet's verb asks, one after another for one sandbox. Faults: as setupPod(). */
export async function answerVerb(
  world: World,
  verb: PodVerb,
  pod: PodRequest,
): Promise<SetupAnswer | TeardownAnswer | StatusAnswer> {
  if (verb === "status") return statusOfPod(world, pod);
  world.tidying.note();
  const work = verb === "setup" ? setupPod : teardownPod;
  return await world.queue.run<SetupAnswer | TeardownAnswer>(
    pod.sandbox,
    () => work(world, pod),
  );
}

/** What an intent changed may concern this host, and a pod that came before its endpoint. */
async function applied(
  world: World,
  intents: IntentStore,
  request: IntentRequest,
): Promise<PlanAnswer> {
  world.tidying.note();
  const answer = await intents.apply(request);
  if (answer.revision === undefined) return answer;
  world.bell.ring();
  // Who applied a policy finds it in force on this host; what fails is tried again, and said.
  await world.policies.ensure(world).catch(() => world.policies.bell.ring());
  return answer;
}

async function readBody(request: Request): Promise<Record<string, unknown>> {
  if (Number(request.headers.get("content-length") ?? 0) > BODY_LIMIT) {
    throw new Fault("usage", "request refused", {
      why: `its body is over ${BODY_LIMIT} bytes`,
      fix: "send the intent in parts",
    });
  }
  const value = await request.json().catch(() => undefined);
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  throw new Fault("usage", "request refused", {
    why: "its body is no JSON object",
    fix: "use the k8contivnet commands",
  });
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
