// The agent's HTTP API on its unix socket: routes requests and turns Faults into bodies. Knows no driver.

import { Fault, FAULT_CODES, faultFrom } from "../../util/errors.ts";
import type { Debounce } from "../../util/async/debounce.ts";
import type { Notifier } from "../../util/async/notifier.ts";
import type { Log } from "../../util/log.ts";
import type { Report } from "../../util/progress.ts";
import type { WaitingPod } from "../../intent/plan_impact.ts";
import type { CniInput } from "../../cni/cni_types.ts";
import type { HealthAnswer } from "../api/agent_health.ts";
import type { FaultBody } from "../api/agent_socket.ts";
import type { IntentRequest, PlanAnswer } from "../api/intent_requests.ts";
import type { EventItem } from "../api/listed_items.ts";
import { CNI_PATH, type CniAnswer } from "../api/pod_requests.ts";
import type { RepairAnswer } from "../api/repair_requests.ts";
import type { Questions } from "../diagnose/questions.ts";
import { parseKubeInput } from "../policy/kube_input.ts";
import type { PolicyEnforcer } from "../policy/policy_enforcer.ts";
import { policyItems } from "../policy/policy_items.ts";
import type { Intents } from "../store/intents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import { collectGarbage, type GcRequestDeps } from "./gc_request.ts";
import { attachTime } from "./attach_time.ts";
import { type Item, named } from "./item_names.ts";
import type { ProgressBoard } from "./progress_board.ts";
import { answerVerb, type PodVerbsDeps } from "./pod_verbs.ts";
import {
  bindingOf,
  type Body,
  cniInputOf,
  dropsOf,
  intentOf,
  podNameOf,
  podOf,
  readBody,
  traceOf,
} from "./request_bodies.ts";

/** The calls of container runtimes: kubelets' verbs, and CNI. */
export interface RuntimeCalls {
  readonly verbs: PodVerbsDeps;
  readonly answerCni: (input: CniInput) => Promise<CniAnswer>;
}

/** What the server answers from. */
export interface ServerDeps {
  readonly store: StoreCache;
  readonly intents: Pick<Intents, "plan" | "apply" | "history">;
  readonly policies: PolicyEnforcer;
  readonly runtimes: RuntimeCalls;
  readonly gc: GcRequestDeps;
  readonly health: () => HealthAnswer;
  /** Returns the items of a kind of `get`, or those that `name` names. Faults: not_found. */
  readonly listItems: (kind: string, name: string | undefined) => Promise<readonly Item[]>;
  readonly questions: Questions;
  readonly progress: ProgressBoard;
  readonly reconcileSignal: Pick<Notifier, "notify">;
  readonly memoryTrim: Pick<Debounce, "note">;
  readonly log: Log;
}

/** Answers one request. Never throws. */
export async function answer(deps: ServerDeps, request: Request): Promise<Response> {
  try {
    const { pathname: path, searchParams } = new URL(request.url);
    const value = request.method === "GET"
      ? await answerGet(deps, path, searchParams.get("name") ?? undefined)
      : await answerPost(deps, path, await readBody(request));
    return Response.json(value);
  } catch (error) {
    const fault = faultFrom(error);
    if (fault.code === "failed") deps.log.debug(String((error as Error)?.stack ?? error));
    return faultResponse(fault);
  }
}

/** Returns the response for a request that failed. */
export function faultResponse({ code, what, why, fix }: Fault): Response {
  const body: FaultBody = { code, what, ...(why ? { why } : {}), ...(fix ? { fix } : {}) };
  return Response.json(body, { status: FAULT_CODES[code].http });
}

async function answerGet(
  { store, intents, policies, health, listItems, progress }: ServerDeps,
  path: string,
  name: string | undefined,
): Promise<unknown> {
  if (path === "/v1/health") return health();
  if (path === "/v1/progress") return progress.list(name);
  if (path === "/v1/history") return await intents.history(name);
  if (path === "/v1/policies") return named(await policyItems(store.documents, policies), name);
  if (PROBES.includes(path)) throw noProbe(path);
  const kind = /^\/v1\/([a-z]+)$/.exec(path)?.[1];
  if (kind === undefined) throw noPath(path);
  // A user who checks has changed something in another way, and wants to see it. If the store is
  // unreachable, what is known is answered.
  if (kind === "differences") await store.catchUp().catch(() => {});
  return await listItems(kind, name);
}

async function answerPost(deps: ServerDeps, path: string, body: Body): Promise<unknown> {
  const { policies, runtimes, progress } = deps;
  switch (path) {
    case "/v1/setup":
      return await answerVerb(runtimes.verbs, "setup", podOf(body));
    case "/v1/teardown":
      return await answerVerb(runtimes.verbs, "teardown", podOf(body));
    case "/v1/status":
      return await answerVerb(runtimes.verbs, "status", podOf(body));
    case CNI_PATH:
      return await runtimes.answerCni(cniInputOf(body));
    case "/v1/plan":
      return await plan(deps, intentOf(body));
    case "/v1/apply":
      return await progress.during(
        body.progress,
        async (report) => await applyIntent(deps, intentOf(body), report),
      );
    case "/v1/bind":
      return await applyIntent(deps, bindingOf(body));
    case "/v1/repair":
      return await progress.during(
        body.progress,
        (report) => repair(deps, body.dryRun === true, report),
      );
    case "/v1/gc":
      return await progress.during(
        body.progress,
        (report) => collectGarbage(deps.gc, body, report),
      );
    case "/v1/why":
      return await deps.questions.explainPod(podNameOf(body));
    case "/v1/sandbox":
      return await deps.questions.findPod(podNameOf(body));
    case "/v1/drops":
      return await deps.questions.captureDrops(dropsOf(body));
    case "/v1/trace":
      return await deps.questions.tracePacket(traceOf(body));
    case "/v1/kubernetes":
      policies.setKube(parseKubeInput(body));
      await policies.ensure();
      return {};
    default:
      throw noPath(path);
  }
}

function noPath(path: string): Fault {
  return new Fault("not_found", `agent has no ${path}`, { fix: "see k8contivnet help" });
}

// What metrics/probes.ts answers, whose code is loaded only with --listen.
const PROBES = ["/metrics", "/healthz", "/readyz"];

function noProbe(path: string): Fault {
  return new Fault("not_found", `${path} is not served at the agent's socket`, {
    fix: `start the agent with --listen ADDRESS:PORT, and ask http://ADDRESS:PORT${path}`,
  });
}

/** Plans a request; pods of this host that run without a network may be waiting for it. */
async function plan(
  { intents, listItems, gc: { host } }: ServerDeps,
  request: IntentRequest,
): Promise<PlanAnswer> {
  const waiting = (await listItems("attachments", undefined)).filter(({ state }) =>
    state === "unmatched"
  )
    .map(({ pod }) => ({ host, ...pod as Pick<WaitingPod, "namespace" | "name"> }));
  const events = await listItems("events", "attach") as unknown as readonly EventItem[];
  return await intents.plan(request, { waiting, attach: attachTime(events, host) });
}

async function repair(
  { store, log }: ServerDeps,
  isDry: boolean,
  report: Report | undefined,
): Promise<RepairAnswer> {
  const { repairClaims } = await import("../store/repair_claims.ts");
  const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
  const answer = await store.withWhole((cache) =>
    repairClaims(cache, { isDry, pause, ...report && { report } })
  );
  const done = isDry ? [] : answer.acts.filter(({ act }) => act !== "keep");
  for (const { act, claim, why } of done) log.info("claim repaired", { act, claim, why });
  return answer;
}

/** What an intent changed may concern this host, and a pod that started before its endpoint. */
async function applyIntent(
  deps: ServerDeps,
  request: IntentRequest,
  report?: Report,
): Promise<PlanAnswer> {
  const { intents, policies, reconcileSignal, memoryTrim, gc: { host } } = deps;
  memoryTrim.note();
  const { origin } = request;
  const answer = await intents.apply(
    origin ? { ...request, origin: { ...origin, host } } : request,
    report && { report },
  );
  if (answer.revision === undefined) return answer;
  reconcileSignal.notify();
  // An applied policy is enforced on this host when the answer comes; a failure is logged and retried.
  await policies.ensure().catch(() => policies.signal.notify());
  return answer;
}
