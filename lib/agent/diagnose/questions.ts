// What people ask of the agent about single pods and packets. Each answer's code is loaded with the first question.

import type { PodName } from "../../intent/dynamic.ts";
import type {
  DropsAnswer,
  DropsRequest,
  SandboxAnswer,
  TraceAnswer,
  TraceRequest,
  WhyAnswer,
} from "../api/diagnosis_requests.ts";
import { metadataOf } from "../pods/dynamic_endpoint_claim.ts";
import { noPodMetadata, type PodMetadata } from "../pods/pod_metadata.ts";
import { UnknownPod } from "../store/unknown_pod.ts";
import type { UnmatchedPods } from "../pods/unmatched_pods.ts";
import type { TraceDeps } from "../policy/trace_packet.ts";
import type { ReachSync } from "../reach/reach_sync.ts";
import { attachmentsOf, type HostView } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";
import type { DropCapture, DropCaptureDeps } from "./drop_capture.ts";
import type { PodSandboxDeps } from "./pod_sandbox.ts";

/** What questions are answered from. */
export interface QuestionDeps extends TraceDeps {
  readonly store: Pick<StoreCache, "documents" | "isWhole" | "need" | "withWhole">;
  readonly policies: TraceDeps["policies"] & DropCaptureDeps["policies"];
  readonly runtimes: PodSandboxDeps["runtimes"];
  readonly unmatched: Pick<UnmatchedPods, "list">;
  readonly podMetadata: PodMetadata;
  readonly reach: Pick<ReachSync, "model">;
  readonly drops: Omit<DropCaptureDeps, "policies">;
}

/** Answers questions. */
export interface Questions {
  /** Returns which rule puts a pod where. */
  readonly explainPod: (pod: PodName) => Promise<WhyAnswer>;
  /** Returns where a pod of this host runs. Faults: as podSandbox(). */
  readonly findPod: (pod: PodName) => Promise<SandboxAnswer>;
  /** Returns the packets that policies have dropped since the question before. Faults: as DropCapture's. */
  readonly captureDrops: (request: DropsRequest) => Promise<DropsAnswer>;
  /** Returns what policies, switch and host do with a packet. Faults: as tracePacket(). */
  readonly tracePacket: (request: TraceRequest) => Promise<TraceAnswer>;
}

/** Returns what answers. */
export function createQuestions(deps: QuestionDeps): Questions {
  const { host, store, unmatched, podMetadata, reach } = deps;
  let capture: DropCapture | undefined;
  return {
    explainPod: async (pod) => {
      const { explainPod } = await import("../pods/explain_pod.ts");
      const isAsked = (one: PodName) => one.namespace === pod.namespace && one.name === pod.name;
      const left = unmatched.list().find((one) => isAsked(one.pod));
      const explain = ({ documents }: HostView["store"]) =>
        explainPod({
          ...{ documents, host, unmatchedReason: left?.reason },
          hasCluster: podMetadata !== noPodMetadata,
          metadataOf: () => metadataOf(podMetadata, pod, left?.labels),
        }, pod);
      using _ = await store.need({ words: [pod.name] });
      const isHere = attachmentsOf(store.documents, host).some((one) => isAsked(one.pod));
      return await (isHere ? explain(store) : store.withWhole(explain));
    },
    findPod: async (pod) => {
      const { podSandbox } = await import("./pod_sandbox.ts");
      return await orInWhole(store, (known) => podSandbox({ ...deps, store: known }, pod));
    },
    captureDrops: async (request) => {
      const { DropCapture } = await import("./drop_capture.ts");
      capture ??= new DropCapture({ policies: deps.policies, ...deps.drops });
      return await capture.read(request);
    },
    // It brings the policy compiler.
    tracePacket: async (request) => {
      const model = reach.model();
      return await orInWhole(store, async (known) => {
        const answer = model && await (await import("../policy/trace_reach.ts"))
          .traceReach({ ...deps, store: known, model }, request);
        if (answer) return answer;
        const { tracePacket } = await import("../policy/trace_packet.ts");
        return await tracePacket({ ...deps, store: known }, request);
      });
    },
  };
}

/** Returns what `ask` answers from what is known, or from the whole store where that does not have the pod. */
async function orInWhole<T>(
  store: QuestionDeps["store"],
  ask: (known: HostView["store"]) => Promise<T>,
): Promise<T> {
  try {
    return await ask(store);
  } catch (error) {
    if (store.isWhole || !(error instanceof UnknownPod)) throw error;
    return await store.withWhole(ask);
  }
}
