// What answers a command: the local agent, or with --store a store directly.

import type {
  DropsAnswer,
  DropsRequest,
  SandboxAnswer,
  TraceAnswer,
  TraceRequest,
  WhyAnswer,
  WhyRequest,
} from "../agent/api/diagnosis_requests.ts";
import type { IntentRequest, PlanAnswer, ProgressItem } from "../agent/api/intent_requests.ts";
import type {
  GcAnswer,
  GcRequest,
  RepairAnswer,
  RepairRequest,
} from "../agent/api/repair_requests.ts";
import { DEFAULT_SOCKET } from "../agent/api/agent_socket.ts";
import { askAgent } from "../agent/client.ts";
import type { OpenOptions } from "../store/open_store.ts";
import { pause } from "../util/async/pause.ts";
import { Fault } from "../util/errors.ts";
import type { Report } from "../util/progress.ts";
import type { LongWork, WorkWords } from "./long_work.ts";
import type { Target } from "./shell.ts";

// The limits end a hang. gc: two and a half heartbeats, which may be minutes, and then an apply of thousands
// of objects; the others that change something: such an apply.
const GC_MS = 1_800_000;
const CHANGE_MS = 300_000;
const LIST_MS = 30_000;
const HEALTH_MS = 5_000;
const PROGRESS_MS = 500;

const APPLYING = "the agent completes the change if it has begun it; see k8contivnet history";
const COLLECTING = "the agent goes on with it; run it again to see what is left";
const RELEASED = "what was released stays released; run it again to go on";

/** Returns the words for a work of which an interrupt leaves `left`: nothing if it is only tried. */
function wordsOf(
  what: string,
  { dryRun = false }: { readonly dryRun?: boolean },
  left: string,
): WorkWords {
  return dryRun ? { what } : { what, left };
}

/** Returns the path of the agent's socket: that of the option, else K8CONTIVNET_SOCKET, else the default. */
export function agentSocket(socket: string | undefined): string {
  return socket ?? (Deno.env.get("K8CONTIVNET_SOCKET") || DEFAULT_SOCKET);
}

/** Returns the agent at `socket` (else K8CONTIVNET_SOCKET, else the default) as a target. */
export function agentTarget(socket: string | undefined, long: LongWork): Target {
  const path = agentSocket(socket);
  type Body = DropsRequest | GcRequest | IntentRequest | RepairRequest | TraceRequest | WhyRequest;
  const ask = <T>(way: string, body: object, limitMs: number) =>
    askAgent<T>({ socket: path, path: `/v1/${way}`, body, limitMs });
  const get = <T>(way: string, limitMs = LIST_MS) =>
    askAgent<T>({ socket: path, method: "GET", path: `/v1/${way}`, limitMs });
  const find = <T>(what: string, way: string, body: Body) =>
    long.run({ what }, () => ask<T>(way, body, CHANGE_MS));
  /** Asks for work of which the agent knows how far it is. */
  const change = <T>(way: string, body: Body, words: WorkWords, limitMs = CHANGE_MS) =>
    long.run(words, async (report) => {
      if (!report) return await ask<T>(way, body, limitMs);
      const progress = crypto.randomUUID();
      const end = new AbortController();
      void follow(() => get(`progress${nameQuery(progress)}`), report, end.signal);
      return await ask<T>(way, { ...body, progress }, limitMs).finally(() => end.abort());
    });
  return {
    plan: (request) => find<PlanAnswer>("plan", "plan", request),
    apply: (request) => change<PlanAnswer>("apply", request, { what: "apply", left: APPLYING }),
    repair: (request) =>
      change<RepairAnswer>("repair", request, wordsOf("repair", request, COLLECTING)),
    gc: (request) => change<GcAnswer>("gc", request, wordsOf("gc", request, COLLECTING), GC_MS),
    health: () => get("health", HEALTH_MS),
    history: (revision) =>
      long.run({ what: "history" }, () => get(`history${nameQuery(revision)}`)),
    why: (pod) => find<WhyAnswer>("why", "why", pod),
    trace: (request) => find<TraceAnswer>("trace", "trace", request),
    drops: (request) => ask<DropsAnswer>("drops", request, LIST_MS),
    sandbox: (pod) => ask<SandboxAnswer>("sandbox", pod, LIST_MS),
    list: (kind, name) => long.run({ what: kind }, () => get(`${kind}${nameQuery(name)}`)),
  };
}

/** Asks again and again how far a work is, until `signal` aborts. An agent of an older version does not know. */
async function follow(
  ask: () => Promise<readonly ProgressItem[]>,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await pause(PROGRESS_MS, signal);
    const [item] = signal.aborted ? [] : await ask().catch(() => []);
    if (item && !signal.aborted) report(item.done, item.of);
  }
}

function nameQuery(name: string | undefined): string {
  return name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
}

/** Opens the store at `url` as a target; it is closed with the stack. */
export async function storeTarget(
  url: string,
  options: OpenOptions,
  { stack, long }: { readonly stack: AsyncDisposableStack; readonly long: LongWork },
): Promise<Target> {
  const [
    { openStore },
    { StoreCache },
    { isShared },
    { Intents },
    { recordItems },
    { explainPod },
    { noPodMetadata },
    { podItemsOf },
  ] = await Promise.all([
    import("../store/open_store.ts"),
    import("../agent/store/store_cache.ts"),
    import("../agent/options.ts"),
    import("../agent/store/intents.ts"),
    import("../agent/server/list_items.ts"),
    import("../agent/pods/explain_pod.ts"),
    import("../agent/pods/pod_metadata.ts"),
    import("../agent/kube/pod_items.ts"),
  ]);
  const store = await openStore(url, withEnvironment(options));
  stack.defer(() => store.close());
  const cache = await long.run(
    { what: "reading the store" },
    () => StoreCache.load(store, { isShared: isShared({ store: url }) }),
  );
  const intents = new Intents(cache, () => new Date().toISOString());
  return {
    plan: (request) => intents.plan(request, {}),
    apply: (request) =>
      long.runToStop({ what: "apply" }, (course) => intents.apply(request, course)),
    repair: async ({ dryRun = false }) => {
      const { repairClaims } = await import("../agent/store/repair_claims.ts");
      return await long.run(
        wordsOf("repair", { dryRun }, RELEASED),
        (report) => repairClaims(cache, { isDry: dryRun, pause: wait, ...report && { report } }),
      );
    },
    gc: async ({ host, dryRun = false, force = false }) => {
      if (host === undefined) {
        throw new Fault("usage", "only the agent of a host knows which of its sandboxes are gone", {
          fix: "run it without --store, or add --host HOST",
        });
      }
      const { removeHost } = await import("../agent/store/remove_host.ts");
      return await long.run(
        wordsOf("gc", { dryRun }, RELEASED),
        (report) =>
          removeHost(cache, {
            ...{ host, isDry: dryRun, isForced: force, pause: wait, wallMs: Date.now },
            ...report && { report },
          }),
      );
    },
    health: () => {
      throw new Fault("usage", "status needs the agent of this host", {
        fix: "run it without --store",
      });
    },
    history: (revision) => intents.history(revision),
    why: (pod) => {
      const { documents } = cache;
      return explainPod({ documents, metadataOf: () => noPodMetadata.of(pod), host: "" }, pod);
    },
    list: (kind, name) => {
      if (kind === "pods") {
        return Promise.resolve(podItemsOf(cache.documents).map((item) => ({ ...item })));
      }
      if (kind !== "attachments" && kind !== "events") {
        return Promise.resolve(recordItems(cache.documents, kind, name));
      }
      throw new Fault("usage", `only the agent of a host knows its ${kind}`, {
        fix: "run it without --store",
      });
    },
  };
}

function wait(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Fills missing options from the environment that the agent reads: one file configures both. */
export function withEnvironment(given: OpenOptions): OpenOptions {
  const env = (name: string) => Deno.env.get(`K8CONTIVNET_ETCD_${name}`) || undefined;
  return {
    etcdCa: given.etcdCa ?? env("CA"),
    etcdCert: given.etcdCert ?? env("CERT"),
    etcdKey: given.etcdKey ?? env("KEY"),
    etcdUser: given.etcdUser ?? env("USER"),
    etcdPasswordFile: given.etcdPasswordFile ?? env("PASSWORD_FILE"),
  };
}
