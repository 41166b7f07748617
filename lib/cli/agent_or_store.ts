// What answers a command: the local agent, or with --store a store directly.

import type {
  DropsAnswer,
  DropsRequest,
  GcAnswer,
  GcRequest,
  IntentRequest,
  PlanAnswer,
  RepairAnswer,
  RepairRequest,
  SandboxAnswer,
  TraceAnswer,
  TraceRequest,
  WhyAnswer,
  WhyRequest,
} from "../agent/api.ts";
import { DEFAULT_SOCKET } from "../agent/api.ts";
import { askAgent } from "../agent/client.ts";
import type { OpenOptions } from "../store/open_store.ts";
import { Fault } from "../util/errors.ts";
import type { Target } from "./shell.ts";

// The limits end a hang. gc: two and a half heartbeats, which may be minutes, and then an apply of thousands
// of objects; the others that change something: such an apply.
const GC_MS = 1_800_000;
const CHANGE_MS = 300_000;
const LIST_MS = 30_000;
const HEALTH_MS = 5_000;

/** Returns the path of the agent's socket: that of the option, else K8CONTIVNET_SOCKET, else the default. */
export function agentSocket(socket: string | undefined): string {
  return socket ?? (Deno.env.get("K8CONTIVNET_SOCKET") || DEFAULT_SOCKET);
}

/** Returns the agent at `socket` (else K8CONTIVNET_SOCKET, else the default) as a target. */
export function agentTarget(socket: string | undefined): Target {
  const path = agentSocket(socket);
  type Body = DropsRequest | GcRequest | IntentRequest | RepairRequest | TraceRequest | WhyRequest;
  const ask = <T>(way: string, body: Body, limitMs = CHANGE_MS) =>
    askAgent<T>({ socket: path, path: `/v1/${way}`, body, limitMs });
  const get = <T>(way: string) =>
    askAgent<T>({ socket: path, method: "GET", path: `/v1/${way}`, limitMs: LIST_MS });
  return {
    plan: (request) => ask<PlanAnswer>("plan", request),
    apply: (request) => ask<PlanAnswer>("apply", request),
    repair: (request) => ask<RepairAnswer>("repair", request),
    gc: (request) => ask<GcAnswer>("gc", request, GC_MS),
    health: () => askAgent({ socket: path, method: "GET", path: "/v1/health", limitMs: HEALTH_MS }),
    history: (revision) => get(`history${nameQuery(revision)}`),
    why: (pod) => ask<WhyAnswer>("why", pod),
    trace: (request) => ask<TraceAnswer>("trace", request),
    drops: (request) => ask<DropsAnswer>("drops", request, LIST_MS),
    sandbox: (pod) => ask<SandboxAnswer>("sandbox", pod, LIST_MS),
    list: (kind, name) => get(`${kind}${nameQuery(name)}`),
  };
}

function nameQuery(name: string | undefined): string {
  return name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
}

/** Opens the store at `url` as a target; it is closed with the stack. */
export async function storeTarget(
  url: string,
  options: OpenOptions,
  stack: AsyncDisposableStack,
): Promise<Target> {
  const [
    { openStore },
    { StoreCache },
    { Intents },
    { recordItems },
    { explainPod },
    { noPodMetadata },
    { podItemsOf },
  ] = await Promise.all([
    import("../store/open_store.ts"),
    import("../agent/store/store_cache.ts"),
    import("../agent/store/intents.ts"),
    import("../agent/server/list_items.ts"),
    import("../agent/pods/explain_pod.ts"),
    import("../agent/pods/pod_metadata.ts"),
    import("../agent/kube/pod_items.ts"),
  ]);
  const store = await openStore(url, withEnvironment(options));
  stack.defer(() => store.close());
  const cache = await StoreCache.load(store);
  const intents = new Intents(cache, () => new Date().toISOString());
  return {
    plan: (request) => intents.plan(request, []),
    apply: (request) => intents.apply(request),
    repair: async ({ dryRun = false }) => {
      const { repairClaims } = await import("../agent/store/repair_claims.ts");
      const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
      return await repairClaims(cache, { isDry: dryRun, pause });
    },
    gc: async ({ host, dryRun = false, force = false }) => {
      if (host === undefined) {
        throw new Fault("usage", "only the agent of a host knows which of its sandboxes are gone", {
          fix: "run it without --store, or add --host HOST",
        });
      }
      const { removeHost } = await import("../agent/store/remove_host.ts");
      return await removeHost(cache, {
        ...{ host, isDry: dryRun, isForced: force },
        pause: (ms) => new Promise<void>((done) => setTimeout(done, ms)),
        wallMs: Date.now,
      });
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
