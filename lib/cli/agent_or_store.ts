// Whom a command asks: the local agent, or with --store a store directly.

import type {
  GcAnswer,
  GcRequest,
  IntentRequest,
  PlanAnswer,
  RepairAnswer,
  RepairRequest,
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

// Two and a half heartbeats, which may be minutes, and then as long as an apply.
const GC_MS = 1_800_000;

/** Returns the agent at `socket` (else K8CONTIVNET_SOCKET, else the default) as a target. */
export function agentTarget(socket: string | undefined): Target {
  const path = socket ?? (Deno.env.get("K8CONTIVNET_SOCKET") || DEFAULT_SOCKET);
  type Body = GcRequest | IntentRequest | RepairRequest | TraceRequest | WhyRequest;
  const ask = <T>(way: string, body: Body, limitMs = 300_000) =>
    askAgent<T>({ socket: path, path: `/v1/${way}`, body, limitMs });
  return {
    plan: (request) => ask<PlanAnswer>("plan", request),
    apply: (request) => ask<PlanAnswer>("apply", request),
    repair: (request) => ask<RepairAnswer>("repair", request),
    gc: (request) => ask<GcAnswer>("gc", request, GC_MS),
    health: () => askAgent({ socket: path, method: "GET", path: "/v1/health", limitMs: 5_000 }),
    why: (pod) => ask<WhyAnswer>("why", pod),
    trace: (request) => ask<TraceAnswer>("trace", request),
    list: (kind, name) => {
      const which = name === undefined ? "" : `?name=${encodeURIComponent(name)}`;
      return askAgent({
        socket: path,
        method: "GET",
        path: `/v1/${kind}${which}`,
        limitMs: 30_000,
      });
    },
  };
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
    { IntentStore, planRequest },
    { recordItems },
    { explainPod },
    { noPodMetadata: knowsNothing },
    { podItemsOf },
  ] = await Promise.all([
    import("../store/open_store.ts"),
    import("../agent/store/store_cache.ts"),
    import("../agent/store/apply.ts"),
    import("../agent/server/list_items.ts"),
    import("../agent/pods/explain_pod.ts"),
    import("../agent/pods/pod_metadata.ts"),
    import("../agent/kube/pod_items.ts"),
  ]);
  const store = await openStore(url, withEnvironment(options));
  stack.defer(() => store.close());
  const mirror = await StoreCache.load(store);
  const intents = new IntentStore(mirror, () => new Date().toISOString());
  return {
    plan: (request) => Promise.resolve(planRequest(mirror.documents, request).answer),
    apply: (request) => intents.apply(request),
    repair: async ({ dryRun = false }) => {
      const { repairClaims } = await import("../agent/store/repair_claims.ts");
      const pause = (ms: number) => new Promise<void>((done) => setTimeout(done, ms));
      return await repairClaims(mirror, { isDry: dryRun, pause });
    },
    gc: async ({ host, dryRun = false, force = false }) => {
      if (host === undefined) {
        throw new Fault("usage", "what a host looks for in vain is known to its agent", {
          fix: "leave --store out, or add --host HOST",
        });
      }
      const { removeHost } = await import("../agent/store/remove_host.ts");
      return await removeHost(mirror, {
        ...{ host, isDry: dryRun, isForced: force },
        pause: (ms) => new Promise<void>((done) => setTimeout(done, ms)),
        wallMs: Date.now,
      });
    },
    health: () => {
      throw new Fault("usage", "status is an agent's", { fix: "leave --store out" });
    },
    why: (pod) => {
      const { documents } = mirror;
      return explainPod({ documents, knownOf: () => knowsNothing.of(pod), host: "" }, pod);
    },
    list: (kind, name) => {
      if (kind === "pods") {
        return Promise.resolve(podItemsOf(mirror.documents).map((item) => ({ ...item })));
      }
      if (kind !== "attachments") return Promise.resolve(recordItems(mirror.documents, kind, name));
      throw new Fault("usage", "attachments are known to each host's agent", {
        fix: "leave --store out",
      });
    },
  };
}

/** Adds what the agent's environment says where no option does: one file serves both. */
function withEnvironment(given: OpenOptions): OpenOptions {
  const env = (name: string) => Deno.env.get(`K8CONTIVNET_ETCD_${name}`) || undefined;
  return {
    etcdCa: given.etcdCa ?? env("CA"),
    etcdCert: given.etcdCert ?? env("CERT"),
    etcdKey: given.etcdKey ?? env("KEY"),
    etcdUser: given.etcdUser ?? env("USER"),
    etcdPasswordFile: given.etcdPasswordFile ?? env("PASSWORD_FILE"),
  };
}
