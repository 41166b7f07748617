// Pods of tests and what Kubernetes says of them.

import type { Kube } from "../../lab/kube.ts";
import { waitFor } from "../../lab/wait.ts";
import { IMAGE } from "./image.ts";

/** One pod as the API server has it. */
export interface SeenPod {
  readonly name: string;
  readonly uid: string;
  readonly node: string;
  /** Empty if it has none. */
  readonly address: string;
  readonly isReady: boolean;
  readonly isDeleted: boolean;
  /** Of its container. */
  readonly restarts: number;
  /** Id of its container of now; empty if it has none. */
  readonly container: string;
}

/** What a pod of a test has beside its name. */
export interface WorkloadParts {
  readonly labels: Readonly<Record<string, string>>;
  /** The node that it is for; the scheduler's choice by default. */
  readonly node?: string;
  /** Changes the template: a new value makes a rolling update. */
  readonly version?: string;
  /** Without a probe, it is ready when its container runs. @default true */
  readonly hasProbe?: boolean;
  /** @default "default" */
  readonly namespace?: string;
  /** More fields of its container, and others for the default ones. */
  readonly container?: Readonly<Record<string, unknown>>;
}

/** Returns the template of a pod that is ready when a command in it succeeds. */
export function podTemplate(
  { labels, node, version = "1", hasProbe = true, container = {} }: WorkloadParts,
) {
  return {
    metadata: { labels, annotations: { "example/version": version } },
    spec: {
      ...node === undefined ? {} : { nodeName: node },
      terminationGracePeriodSeconds: 1, // with 0, the API server forgets a pod before its kubelet ends it
      tolerations: [{ operator: "Exists" }],
      containers: [{
        name: "main",
        image: IMAGE,
        imagePullPolicy: "Never",
        ...hasProbe && { readinessProbe: { exec: { command: ["true"] }, periodSeconds: 1 } },
        ...container,
      }],
    },
  };
}

/** Returns a Deployment whose pods have the label `app` with its name. */
export function deployment(
  name: string,
  replicas: number,
  more: Partial<WorkloadParts> = {},
): unknown {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: podTemplate({ labels, ...more }),
    },
  };
}

/** Returns a pod with the label `app` of its name. */
export function singlePod(name: string, more: Partial<WorkloadParts> = {}): unknown {
  const { metadata, spec } = podTemplate({ labels: { app: name }, ...more });
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...metadata, name, namespace: more.namespace ?? "default" },
    spec,
  };
}

/** Returns a policy by which only pods with those labels reach the pods of `app`. */
export function ingressFrom(app: string, labels: Readonly<Record<string, string>>): unknown {
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: `to-${app}`, namespace: "default" },
    spec: {
      podSelector: { matchLabels: { app } },
      ingress: [{ from: [{ podSelector: { matchLabels: labels } }] }],
    },
  };
}

/** Creates or changes objects. */
export async function applyObjects(kube: Kube, ...objects: readonly unknown[]): Promise<void> {
  const list = { apiVersion: "v1", kind: "List", items: objects };
  await kube.kubectlWith({ stdin: JSON.stringify(list) }, "apply", "-f", "-");
}

/** Returns a service of the pods with the label `app` of its name, for port 80 over TCP or what `spec` says. */
export function service(
  name: string,
  spec: Readonly<Record<string, unknown>>,
  namespace = "default",
): unknown {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }], ...spec },
  };
}

/** Returns the pods of a namespace whose label `app` is that, or all. */
export async function seenPods(
  kube: Kube,
  app?: string,
  namespace = "default",
): Promise<SeenPod[]> {
  const query = app === undefined ? "" : `?labelSelector=app%3D${app}`;
  const { items } = await kube.ask("GET", `/api/v1/namespaces/${namespace}/pods${query}`);
  return (items as ApiPod[]).map(({ metadata, spec, status }) => ({
    name: metadata.name,
    uid: metadata.uid,
    node: spec.nodeName ?? "",
    address: status.podIP ?? "",
    isReady: (status.conditions ?? []).some(({ type, status }) =>
      type === "Ready" && status === "True"
    ),
    isDeleted: metadata.deletionTimestamp !== undefined,
    restarts: status.containerStatuses?.[0]?.restartCount ?? 0,
    container: status.containerStatuses?.[0]?.containerID ?? "",
  }));
}

/** Waits until `count` pods of that label are Ready and no other one is; returns them. */
export async function readyPods(
  kube: Kube,
  app: string,
  count: number,
  { limitMs = 60_000, namespace = "default" } = {},
): Promise<SeenPod[]> {
  let last: SeenPod[] = [];
  const isDone = async () => {
    last = (await seenPods(kube, app, namespace)).filter(({ isDeleted }) => !isDeleted);
    return last.length === count && last.every(({ isReady }) => isReady) && last;
  };
  return await waitFor(`${count} pods of ${app} to be Ready`, isDone, { limitMs, everyMs: 300 })
    .catch((error) => {
      throw new Error(`${error.message}: ${JSON.stringify(last)}`);
    });
}

/** Waits until pods of `before` run in other containers than then, all Ready; returns them. */
export async function rerunPods(
  kube: Kube,
  app: string,
  before: readonly SeenPod[],
  { limitMs = 90_000 } = {},
): Promise<SeenPod[]> {
  const old = new Set(before.map(({ container }) => container));
  return await waitFor(`pods of ${app} to run again`, async () => {
    const pods = await readyPods(kube, app, before.length);
    return pods.every(({ container }) => !old.has(container)) && pods;
  }, { limitMs, everyMs: 300 });
}

/** Runs a command in a pod; reports whether it succeeded. */
export async function execIn(kube: Kube, pod: string, ...words: string[]): Promise<boolean> {
  return await kube.kubectl("exec", pod, "--", ...words).then(() => true, () => false);
}

/** Reports whether a ping from a pod is answered. */
export function pingsFrom(kube: Kube, pod: string, address: string): Promise<boolean> {
  return execIn(kube, pod, "ping", "-c1", "-W2", "-q", address);
}

interface ApiPod {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
    readonly containerStatuses?: readonly {
      readonly restartCount: number;
      readonly containerID?: string;
    }[];
  };
}
