// The objects of Kubernetes that run an agent on each node: a ConfigMap with its settings, and a DaemonSet. Fields are
// those of Kubernetes 1.20, and valid since. Pure.

import { CNI_CONFLIST } from "./cni_conflist.ts";
import { FILE_IN_IMAGE, NODE_ROOT } from "./node_image.ts";
import {
  CONFIG,
  CONFIGURATIONS,
  ETCD_CERTIFICATES,
  INSTALL_CONFIGURATION,
  INSTALL_FILE,
  PLUGINS,
} from "./node_scripts.ts";
import { fnv32 } from "../util/fnv.ts";

/** What the objects are made from. */
export interface AgentParts {
  readonly namespace: string;
  readonly image: string;
  /** The agents' flags as keys. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Name of the Secret with certificates for etcd. */
  readonly etcdSecret: string | undefined;
  /** Text of the intent that each agent applies at its start. */
  readonly intent: string | undefined;
  /** Where the node asks whether the agent works; undefined if the agent does not listen. */
  readonly probe: ProbeAddress | undefined;
}

/** Where probes ask. */
export interface ProbeAddress {
  readonly host: string;
  readonly port: number;
}

/** File of the intent, where the agent sees it. */
const INTENT = `${CONFIG}/intent.json`;
const NAME = "k8contivnet";
const LABELS = { "app.kubernetes.io/name": NAME };

/** Returns the ConfigMap. */
export function configMap({ namespace, settings, intent }: AgentParts) {
  const all = { ...settings, ...intent === undefined ? {} : { intent: INTENT } };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: NAME, namespace, labels: LABELS },
    data: {
      "agent.json": `${JSON.stringify(all, null, 2)}\n`,
      "cni.conflist": CNI_CONFLIST,
      ...intent === undefined ? {} : { "intent.json": intent },
    },
  };
}

/** Returns the DaemonSet. */
export function daemonSet(parts: AgentParts) {
  const { namespace } = parts;
  return {
    apiVersion: "apps/v1",
    kind: "DaemonSet",
    metadata: { name: NAME, namespace, labels: LABELS },
    spec: {
      selector: { matchLabels: LABELS },
      updateStrategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: {
          labels: LABELS,
          // Other settings or another intent start the agents again, one after the other.
          annotations: {
            "k8contivnet/config": fnv32(JSON.stringify(configMap(parts).data)).toString(16),
          },
        },
        spec: podSpec(parts),
      },
    },
  };
}

function podSpec(parts: AgentParts) {
  return {
    serviceAccountName: NAME,
    priorityClassName: "system-node-critical",
    // The agent's network is the node's, and it knows callers by their process ids.
    hostNetwork: true,
    hostPID: true,
    nodeSelector: { "kubernetes.io/os": "linux" },
    // Without it, no pod of the node has a network: nothing keeps it from running.
    tolerations: [{ operator: "Exists" }],
    terminationGracePeriodSeconds: 30,
    initContainers: [{
      ...containerOf(parts, "install", INSTALL_FILE),
      volumeMounts: mounts("host", "cache", "cni-bin"),
    }],
    containers: [
      agentContainer(parts),
      {
        ...containerOf(parts, "cni", INSTALL_CONFIGURATION),
        volumeMounts: mounts("host", "cache", "run", "config", "cni-bin", "cni-conf"),
        resources: { requests: { cpu: "5m", memory: "8Mi" } },
      },
    ],
    volumes: [...VOLUMES, ...etcdVolumes(parts)].map(({ name, source }) => ({ name, ...source })),
  };
}

/** Returns a container whose commands are the node's; privileged, as it works on the node's files. */
function containerOf({ image }: AgentParts, name: string, script: string) {
  return {
    name,
    image,
    imagePullPolicy: "IfNotPresent",
    command: ["/bin/sh", "-c", script],
    securityContext: { privileged: true },
  };
}

/** The Secret is seen by the agent alone. */
function etcdVolumes({ etcdSecret }: AgentParts): readonly Volume[] {
  if (etcdSecret === undefined) return [];
  return [{
    ...{ name: "etcd", source: { secret: { secretName: etcdSecret, defaultMode: 0o400 } } },
    mount: { mountPath: ETCD_CERTIFICATES, readOnly: true },
  }];
}

function agentContainer(parts: AgentParts) {
  const { image, probe } = parts;
  const nodeName = { fieldRef: { fieldPath: "spec.nodeName" } };
  return {
    name: "agent",
    image,
    imagePullPolicy: "IfNotPresent",
    command: [FILE_IN_IMAGE, "netplugin", "--config", `${CONFIG}/agent.json`],
    env: ["K8CONTIVNET_HOST_LABEL", "K8CONTIVNET_NODE_NAME"].map((name) => ({
      ...{ name, valueFrom: nodeName },
    })),
    securityContext: { privileged: true },
    resources: { requests: { cpu: "50m", memory: "96Mi" } },
    ...probe && {
      // A start reads the whole store, which the agent answers meanwhile; it is hung when it does not.
      livenessProbe: { ...probeOf(probe, "/healthz"), periodSeconds: 20, failureThreshold: 6 },
      readinessProbe: { ...probeOf(probe, "/readyz"), periodSeconds: 5, failureThreshold: 2 },
    },
    volumeMounts: [
      ...mounts("host", "cache", "run", "netns", "state", "config"),
      ...etcdVolumes(parts).map(({ name, mount }) => ({ name, ...mount })),
    ],
  };
}

function probeOf({ host, port }: ProbeAddress, path: string) {
  return { httpGet: { host, port, path }, timeoutSeconds: 5 };
}

/** A volume, and how containers mount it. */
interface Volume {
  readonly name: string;
  readonly source: Readonly<Record<string, unknown>>;
  readonly mount: Readonly<Record<string, unknown>>;
}

function folder(path: string) {
  return { hostPath: { path, type: "DirectoryOrCreate" } };
}

const VOLUMES: readonly Volume[] = [
  {
    // What the node mounts later is seen; nothing is written by this way.
    ...{ name: "host", source: { hostPath: { path: "/" } } },
    mount: { mountPath: NODE_ROOT, readOnly: true, mountPropagation: "HostToContainer" },
  },
  {
    // Namespaces that runtimes make are seen, and those that the agent makes are the node's.
    ...{ name: "netns", source: folder("/run/netns") },
    mount: { mountPath: "/run/netns", mountPropagation: "Bidirectional" },
  },
  { name: "run", source: folder("/run/k8contivnet"), mount: { mountPath: "/run/k8contivnet" } },
  {
    ...{ name: "state", source: folder("/var/lib/k8contivnet") },
    mount: { mountPath: "/var/lib/k8contivnet" },
  },
  {
    ...{ name: "cache", source: folder("/var/cache/k8contivnet") },
    mount: { mountPath: "/var/cache/k8contivnet" },
  },
  { name: "cni-bin", source: folder("/opt/cni/bin"), mount: { mountPath: PLUGINS } },
  { name: "cni-conf", source: folder("/etc/cni/net.d"), mount: { mountPath: CONFIGURATIONS } },
  {
    ...{ name: "config", source: { configMap: { name: NAME } } },
    mount: { mountPath: CONFIG, readOnly: true },
  },
];

function mounts(...names: string[]) {
  return names.map((name) => ({ name, ...VOLUMES.find((one) => one.name === name)?.mount }));
}
