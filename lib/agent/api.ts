// The agent's HTTP interface over its unix socket: paths below /v1, JSON bodies. Types, and the little
// that all who ask say alike.

import type { AttachmentState } from "../intent/records.ts";
import type { FaultCode } from "../util/errors.ts";

/** Where the agent listens unless told otherwise. */
export const DEFAULT_SOCKET = "/run/k8contivnet/agent.sock";

/** Where everything durable on this host is kept unless told otherwise. */
export const DEFAULT_STATE_DIR = "/var/lib/k8contivnet";

/**
 * Most bytes of an intent's text: some 80,000 endpoints, more than a /16 has addresses. Planning takes
 * about 30 times as much memory, and the agent's whole attention (16 MB: 600 MB and 45 s, 50 MB: 1.6 GB).
 */
export const INTENT_BYTES = 8 * 1024 * 1024;

/** What a kubelet asks for a pod. */
export type PodVerb = "setup" | "teardown" | "status";

/** Body of POST /v1/setup, /v1/teardown and /v1/status: a pod as the kubelet names it. */
export interface PodRequest {
  readonly namespace: string;
  readonly name: string;
  /** Infra container id, 12–64 hex digits. */
  readonly sandbox: string;
}

/** Where a pod's set-up ended. */
export type SetupOutcome = "ready" | "unmatched" | "host-network";

/** Answer of /v1/setup. */
export interface SetupAnswer {
  readonly outcome: SetupOutcome;
  readonly attachments: readonly AttachmentItem[];
}

/** Answer of /v1/teardown: how many attachments were released. */
export interface TeardownAnswer {
  readonly released: number;
}

/** Answer of /v1/status: the pod's address without prefix length; absent when not known. */
export interface StatusAnswer {
  readonly ip?: string;
}

/** Returns what `status` prints for a pod's address, as kubelets of 1.0 to 1.2 read it. */
export function statusText(ip: string): string {
  return JSON.stringify({ apiVersion: "v1beta1", kind: "PodNetworkStatus", ip });
}

/** An item of GET /v1/attachments. */
export interface AttachmentItem {
  readonly tenant: string;
  readonly network: string;
  readonly endpoint: string;
  readonly pod: { readonly namespace: string; readonly name: string };
  readonly host: string;
  readonly sandbox: string;
  readonly interface: string;
  /** CIDRs. */
  readonly addresses: readonly string[];
  readonly mac: string;
  /** Access tag on this host; 0 where there is no port. */
  readonly vlan: number;
  readonly state: AttachmentState | "unmatched";
  readonly reason: string;
}

/** Body of POST /v1/plan and /v1/apply: the text of an intent file and what is wanted of it. */
export interface IntentRequest {
  readonly mode: "add" | "replace" | "delete" | "bindings";
  readonly text: string;
  readonly force?: boolean;
  readonly strict?: boolean;
}

/** Answer of /v1/plan and /v1/apply. */
export interface PlanAnswer {
  readonly operations: readonly PlannedOperation[];
  readonly warnings: readonly string[];
  /** Number of the revision that the apply made; absent for a plan, or when nothing changed. */
  readonly revision?: number;
}

/** One object that a plan changes. */
export interface PlannedOperation {
  readonly verb: "create" | "update" | "delete";
  readonly kind: string;
  readonly name: string;
  readonly lines: readonly string[];
}

/** Body of POST /v1/repair. */
export interface RepairRequest {
  /** Only say what would be done. */
  readonly dryRun?: boolean;
}

/** One act of a repair. */
export interface RepairAct {
  readonly act: "release" | "rebuild" | "keep";
  /** Key of the claim. */
  readonly claim: string;
  readonly why: string;
}

/** Answer of /v1/repair: what was done, and what still differs. */
export interface RepairAnswer {
  readonly acts: readonly RepairAct[];
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

/** Body of POST /v1/gc. */
export interface GcRequest {
  /** Host that never comes back. Absent: what this host's agent looks for in vain is released now. */
  readonly host?: string;
  /** Only say what would be done. */
  readonly dryRun?: boolean;
  /** Also where the host has no sign of life at all. */
  readonly force?: boolean;
}

/** What was given up of one endpoint, and of the attachments that it had on the host. */
export interface GcAct {
  /**
   * release: the endpoint is gone, its address free. hold: the address waits for its pod. unbind: the
   * intent's endpoint keeps its address, and any host may have it. forget: only an attachment is gone.
   */
  readonly act: "release" | "hold" | "unbind" | "forget";
  /** `tenant/network/container` */
  readonly endpoint: string;
  readonly address: string;
  /** `namespace/name`; empty where no pod had it. */
  readonly pod: string;
  /** The intent, or `bind`, still wants it on that host. */
  readonly pinned?: boolean;
  /** Only of this host, and only told: milliseconds after which it goes by itself. */
  readonly dueMs?: number;
}

/** Answer of /v1/gc. */
export interface GcAnswer {
  readonly host: string;
  /** By that host's clock, ISO 8601; absent where it is not known. */
  readonly lastSeen?: string;
  readonly acts: readonly GcAct[];
  /** Keys of the host's records that this version cannot read: they stay. */
  readonly left: readonly string[];
}

/** Body of POST /v1/bind. */
export interface BindRequest {
  readonly pod: string;
  readonly host: string;
  readonly attachUuid?: string;
}

/** Body of POST /v1/why. */
export interface WhyRequest {
  readonly namespace: string;
  readonly name: string;
}

/** Answer of /v1/why. */
export interface WhyAnswer {
  readonly pod: WhyRequest;
  /** expected: its set-up would end so; nowhere: nothing is for it; refused: its set-up would fail. */
  readonly state: "attached" | "expected" | "nowhere" | "refused";
  readonly places: readonly WhyPlace[];
  /** Why it is nowhere or refused; else empty. */
  readonly reason: string;
  /** What else is to be known. */
  readonly notes: readonly string[];
}

/** Where a pod is, or would be; what is not known is empty. */
export interface WhyPlace {
  readonly tenant: string;
  readonly network: string;
  readonly endpoint: string;
  readonly address: string;
  readonly interface: string;
  readonly host: string;
  readonly state: AttachmentState | "";
  /** What led it there. */
  readonly rule: string;
}

/** Body of POST /v1/trace: the first packet of something from one pod to another. */
export interface TraceRequest {
  /** `NAMESPACE/NAME`, a name, or an address of a pod. */
  readonly source: string;
  /** The same, or any other address. */
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** Of the destination; 0 for icmp. */
  readonly port: number;
}

/** One side's word on a packet. */
export interface TraceWord {
  readonly isAllowed: boolean;
  /** What decided. */
  readonly by: string;
}

/** Answer of POST /v1/trace. */
export interface TraceAnswer {
  readonly source: string;
  readonly destination: string;
  /** What the policies say, of all hosts. */
  readonly model: TraceWord;
  /** What this host's switch does; absent where it has no part in it. */
  readonly switch?: TraceWord & {
    /** out: it judges what the source may send; in: what the destination may get. */
    readonly directions: readonly ("out" | "in")[];
  };
  readonly isAgreed: boolean;
}

/** Answer of GET /v1/health. */
export interface HealthAnswer {
  readonly version: string;
  readonly host: string;
  readonly pid: number;
  readonly store: string;
  /** Why the store does not answer; then what was last known of it is served. Absent where it does. */
  readonly storeAway?: string;
  /** Changes made while it was away that it was not told yet. */
  readonly held: number;
  /** Records of the store that this version cannot read, with the reason. They are left alone. */
  readonly unreadable: readonly string[];
  readonly ovsdb: "up" | "down";
  readonly openflow: "up" | "down";
  /** What keeps policies from being in force; absent where they are. */
  readonly policies?: string;
  /** Absent where no cluster was named. */
  readonly kube?: KubeHealth;
}

/** How well Kubernetes is known, and how much of it is held. */
export interface KubeHealth {
  readonly state: "up" | "down";
  /** Why it is down, as a sentence; empty where it is up. */
  readonly why: string;
  readonly server: string;
  /** Whose pods are this host's. */
  readonly node: string;
  readonly pods: number;
  readonly namespaces: number;
  readonly policies: number;
  /** Pods of the whole cluster; 0 while there is no policy. */
  readonly peers: number;
}

/** An item of GET /v1/pods: a pod, and where it is in our networks. */
export interface PodItem {
  readonly namespace: string;
  readonly name: string;
  /** `tenant/network` of each interface; empty for a pod that is in none. */
  readonly networks: readonly string[];
  /** Without prefix length, in the order of the networks. */
  readonly ips: readonly string[];
  readonly node: string;
}

/** Body of every answer that is not 2xx: the parts of a Fault. */
export interface FaultBody {
  readonly code: FaultCode;
  readonly what: string;
  readonly why?: string;
  readonly fix?: string;
}
