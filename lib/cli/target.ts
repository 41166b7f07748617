// Whom a command asks: the local agent, or with --store a store directly.

import type { IntentRequest, PlanAnswer, TraceAnswer, TraceRequest } from "../agent/api.ts";
import { DEFAULT_SOCKET } from "../agent/api.ts";
import { askAgent } from "../agent/client.ts";
import type { OpenOptions } from "../store/open.ts";
import { Fault } from "../util/errors.ts";
import type { Target } from "./shell.ts";

/** Gives the agent at `socket` (else K8CONTIVNET_SOCKET, else the default) as a target. */
export function agentTarget(socket: string | undefined): Target {
  const path = socket ?? (Deno.env.get("K8CONTIVNET_SOCKET") || DEFAULT_SOCKET);
  const ask = <T>(way: string, body: IntentRequest | TraceRequest) =>
    askAgent<T>({ socket: path, path: `/v1/${way}`, body, limitMs: 300_000 });
  return {
    plan: (request) => ask<PlanAnswer>("plan", request),
    apply: (request) => ask<PlanAnswer>("apply", request),
    trace: (request) => ask<TraceAnswer>("trace", request),
    list: (kind) => askAgent({ socket: path, method: "GET", path: `/v1/${kind}`, limitMs: 30_000 }),
  };
}

/** Opens the store at `url` as a target; it is closed with the stack. */
export async function storeTarget(
  url: string,
  options: OpenOptions,
  stack: AsyncDisposableStack,
): Promise<Target> {
  const [{ openStore }, { Mirror }, { IntentStore, planRequest }, { recordItems }] = await Promise
    .all([
      import("../store/open.ts"),
      import("../agent/record/mirror.ts"),
      import("../agent/record/apply.ts"),
      import("../agent/serve/lists.ts"),
    ]);
  const store = await openStore(url, withEnvironment(options));
  stack.defer(() => store.close());
  const mirror = await Mirror.load(store);
  const intents = new IntentStore(mirror, () => new Date().toISOString());
  return {
    plan: (request) => Promise.resolve(planRequest(mirror.documents, request).answer),
    apply: (request) => intents.apply(request),
    list: (kind) => {
      if (kind !== "attachments") return Promise.resolve(recordItems(mirror.documents, kind));
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
