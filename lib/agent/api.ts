// The agent's HTTP interface over its unix socket: paths below /v1, JSON bodies. Types, and the few
// constants that all clients share.

import type { HostImpact } from "../intent/plan_impact.ts";
import type { AttachmentState } from "../intent/records.ts";
import type { OpenOptions } from "../store/open_options.ts";
import type { FaultCode } from "../util/errors.ts";

/** Default path of the agent's socket. */
export const DEFAULT_SOCKET = "/run/k8contivnet/agent.sock";

/** Returns the folder for notes of teardowns, which callers leave while the agent at `socket` is unreachable. */
export function notesOf(socket: string): string {
  return `${socket}.notes`;
}

/**
 * Most bytes of an intent's text: about 80,000 endpoints, more than a /16 has addresses. Planning takes
 * about 30 times as much memory and blocks the agent (16 MB: 600 MB and 45 s, 50 MB: 1.6 GB).
 */
export const INTENT_BYTES = 8 * 1024 * 1024;

/** What a kubelet requests for a pod. */
export type PodVerb = "setup" | "teardown" | "status";

/** Body of POST /v1/setup, /v1/teardown and /v1/status: a pod as the kubelet identifies it. */
export interface PodRequest {
  readonly namespace: string;
  readonly name: string;
  /** Infra container id, 12–64 hex digits. */
  readonly sandbox: string;
}

/** Result of a pod's set-up. */
export type SetupOutcome = "ready" | "unmatched" | "host-network";

/** Answer of /v1/setup. */
export interface SetupAnswer {
  readonly outcome: SetupOutcome;
  readonly attachments: readonly AttachmentItem[];
}

/** How many set-ups that kubelets asked for ended so since the agent's start. */
export interface SetupCounts {
  readonly ready: number;
  readonly unmatched: number;
  readonly hostNetwork: number;
  readonly failed: number;
}

/** Answer of /v1/teardown: how many attachments were released. */
export interface TeardownAnswer {
  readonly released: number;
}

/** Answer of /v1/status: the pod's address without prefix length; absent when not known. */
export interface StatusAnswer {
  readonly ip?: string;
}

/** Path of a CNI call; its body is CniInput (cni/cni_types.ts). */
export const CNI_PATH = "/v1/cni";

/** Answer of POST /v1/cni: what the plugin prints, one line of JSON or nothing, and its exit code. */
export interface CniAnswer {
  readonly exit: 0 | 1;
  readonly output: string;
  /** Whether the same call may succeed in a moment: the caller tries again (error code 11). */
  readonly isTransient?: boolean;
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
  /** The address by which its host's stack knows the pod; only in an aliased network. */
  readonly alias?: string;
  /** Access tag on this host; 0 if there is no port. */
  readonly vlan: number;
  readonly state: AttachmentState | "unmatched";
  readonly reason: string;
}

/** Body of POST /v1/plan and /v1/apply: the text of an intent file and what to do with it. */
export interface IntentRequest {
  /** rollback: give all objects the records that they had after revision `to`; `text` is not used. */
  readonly mode: "add" | "replace" | "delete" | "bindings" | "rollback";
  readonly text: string;
  readonly to?: number;
  readonly force?: boolean;
  readonly strict?: boolean;
  /** Apply only if this is the last revision still. */
  readonly base?: number;
  /** Who asks, for the history. */
  readonly origin?: Origin;
}

/** Who changes an intent, and from what. */
export interface Origin {
  /** User. */
  readonly by: string;
  readonly host: string;
  /** File, or command. */
  readonly source: string;
}

/** Answer of /v1/plan and /v1/apply. */
export interface PlanAnswer {
  readonly operations: readonly PlannedOperation[];
  readonly warnings: readonly string[];
  /** Number of the revision that the apply made; absent for a plan, or when nothing changed. */
  readonly revision?: number;
  /** Only of a plan: the same as data. */
  readonly changes?: readonly ChangeItem[];
  /** Only of a plan: what it means for pods, by host label. */
  readonly hosts?: Readonly<Record<string, HostImpact>>;
}

/** One object that a plan changes. */
export interface PlannedOperation {
  readonly verb: "create" | "update" | "delete";
  readonly kind: string;
  readonly name: string;
  readonly lines: readonly string[];
}

/** An item of GET /v1/history: a change of the intent. */
export interface HistoryItem extends Origin {
  readonly revision: number;
  /** ISO 8601, UTC, by the clock of the one who applied it. */
  readonly at: string;
  readonly state: "applying" | "done" | "interrupted";
  readonly mode: IntentRequest["mode"];
  /** How many objects the plan was to change. */
  readonly count: number;
  readonly changes: readonly ChangeItem[];
  /** Only where an older version made it: what it changed is not recorded. */
  readonly isUnknown?: true;
}

/** One object that was changed, or would be. */
export interface ChangeItem {
  readonly op: "create" | "update" | "delete";
  readonly kind: "cluster" | "host" | "tenant" | "network" | "endpoint";
  /** `tenant/network/container` and the like. */
  readonly key: string;
  /** Its record, absent where there is none. */
  readonly before?: Readonly<Record<string, unknown>>;
  readonly after?: Readonly<Record<string, unknown>>;
}

/** Body of POST /v1/repair. */
export interface RepairRequest {
  /** Only report what would be done. */
  readonly dryRun?: boolean;
}

/** One act of a repair. */
export interface RepairAct {
  readonly act: "release" | "rebuild" | "keep";
  /** Key of the claim. */
  readonly claim: string;
  readonly why: string;
}

/** Answer of /v1/repair: what was done, and what is still wrong. */
export interface RepairAnswer {
  readonly acts: readonly RepairAct[];
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

/** Body of POST /v1/gc. */
export interface GcRequest {
  /** Host that never comes back. Absent: sandboxes missing on this host are released now. */
  readonly host?: string;
  /** Only report what would be done. */
  readonly dryRun?: boolean;
  /** Also if the host has never written a heartbeat. */
  readonly force?: boolean;
}

/** What was done with one endpoint and its attachments on the host. */
export interface GcAct {
  /**
   * release: the endpoint is deleted and its address free. hold: the address is held for its pod. unbind:
   * the intent's endpoint keeps its address and may be used on any host. forget: only an attachment is
   * deleted.
   */
  readonly act: "release" | "hold" | "unbind" | "forget";
  /** `tenant/network/container` */
  readonly endpoint: string;
  readonly address: string;
  /** `namespace/name`; empty if no pod had it. */
  readonly pod: string;
  /** The intent or `bind` still pins it to that host. */
  readonly pinned?: boolean;
  /** Only on this host and in a dry run: milliseconds until it is released without a request. */
  readonly dueMs?: number;
}

/** Answer of /v1/gc. */
export interface GcAnswer {
  readonly host: string;
  /** By that host's clock, ISO 8601; absent if unknown. */
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
  /** expected: a set-up would attach it so; nowhere: no network is for it; refused: a set-up would fail. */
  readonly state: "attached" | "expected" | "nowhere" | "refused";
  readonly places: readonly WhyPlace[];
  /** Why it is nowhere or refused; otherwise empty. */
  readonly reason: string;
  /** Further remarks. */
  readonly notes: readonly string[];
}

/** Where a pod is or would be; unknown fields are empty. */
export interface WhyPlace {
  readonly tenant: string;
  readonly network: string;
  readonly endpoint: string;
  readonly address: string;
  readonly interface: string;
  readonly host: string;
  readonly state: AttachmentState | "";
  /** Why it is there. */
  readonly rule: string;
}

/** Body of POST /v1/sandbox: a pod, as people name it. */
export type SandboxRequest = WhyRequest;

/** Answer of POST /v1/sandbox: where a pod of this host runs. */
export interface SandboxAnswer {
  readonly namespace: string;
  readonly name: string;
  /** This host's label. */
  readonly host: string;
  /** Infra container id. */
  readonly sandbox: string;
  /** Path of its network namespace, which was there a moment ago, and its inode number. */
  readonly netns: string;
  readonly netnsInode: number;
  /** The interfaces that we attached; none for a pod without a network. */
  readonly interfaces: readonly {
    readonly name: string;
    /** `tenant/network` */
    readonly network: string;
    /** CIDRs. */
    readonly addresses: readonly string[];
  }[];
}

/** Body of POST /v1/drops: a captures' next question. Drops are captured while somebody asks, and some seconds after. */
export interface DropsRequest {
  /** `next` of the answer before; absent at the start. */
  readonly after?: number;
  /** Only packets from or to this pod. */
  readonly pod?: SandboxRequest;
}

/** Answer of POST /v1/drops, within some seconds. */
export interface DropsAnswer {
  readonly next: number;
  /** Packets that came too fast: the agent has forgotten them. */
  readonly missed: number;
  /** Whether any policy is in force on this host. */
  readonly hasPolicies: boolean;
  readonly drops: readonly CapturedDrop[];
}

/** A packet that a policy dropped. */
export interface CapturedDrop {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** `tcp default/app 10.1.1.2 -> default/web 10.1.1.1:80 by contiv policy t/p1 (rule 1 of group web)` */
  readonly message: string;
  /** `contiv policy t/p1` */
  readonly policy: string;
  /** `namespace/name` of client and server; absent where they are not pods that we know. */
  readonly from?: string;
  readonly to?: string;
  /** The whole Ethernet frame, base64. */
  readonly packet: string;
}

/** Body of POST /v1/trace: the first packet of a connection between two pods. */
export interface TraceRequest {
  /** `NAMESPACE/NAME`, a name, or an address of a pod; of one of the two, any other address. */
  readonly source: string;
  /** The same, or `outside`, or `host`, that is, the source's. */
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** Of the destination; 0 for icmp. */
  readonly port: number;
}

/** The verdict of policies or switch on a packet. */
export interface TraceWord {
  readonly isAllowed: boolean;
  /** What decides it. */
  readonly by: string;
}

/** One stage of the way beyond a pod's network. */
export interface TraceStage extends TraceWord {
  readonly name: "policies" | "gateway" | "switch" | "host" | "service" | "source";
}

/** Answer of POST /v1/trace. */
export interface TraceAnswer {
  readonly source: string;
  readonly destination: string;
  /** Verdict of the policies, for all hosts. */
  readonly model: TraceWord;
  /** Only where the two have no common network, which decides before any policy. */
  readonly isApart?: true;
  /** Only for a packet to something beyond the source's network: what is decided where, in order. */
  readonly stages?: readonly TraceStage[];
  /** What this host's switch does; absent if the packet does not pass it. */
  readonly switch?: TraceWord & {
    /** out: it decides what the source may send; in: what the destination may receive. */
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
  /** Why the store is unreachable; its last known content is used then. Absent while it answers. */
  readonly storeAway?: string;
  /** Changes made while the store was unreachable that are not replayed yet. */
  readonly held: number;
  /** Records of the store that this version cannot read, with the reason. They are left unchanged. */
  readonly unreadable: readonly string[];
  readonly ovsdb: "up" | "down";
  readonly openflow: "up" | "down";
  /** Errors that Open vSwitch reports of this host's bridges and ports; absent where there is none. */
  readonly interfaceErrors?: readonly { readonly name: string; readonly error: string }[];
  /** Absent from agents of older versions. */
  readonly settings?: AgentSettings;
  /** Absent from agents of older versions. */
  readonly setups?: SetupCounts;
  /** What keeps policies from being in force; absent where they are. */
  readonly policies?: string;
  /** What keeps pods from what their networks may reach; absent where nothing does. */
  readonly reach?: string;
  /** What of the host's own may keep them from it; absent where nothing does. */
  readonly reachWarnings?: readonly { readonly what: string; readonly fix: string }[];
  /** Absent without a cluster. */
  readonly kube?: KubeHealth;
}

/** Where an agent finds what it works with: for the doctor, also when the agent is dead. No secrets. */
export interface AgentSettings {
  readonly host: string;
  readonly stateDir: string;
  readonly ovsdb: string;
  readonly ovsRundir: string;
  readonly bridge: string;
  /** Address, or `none`. */
  readonly docker: string;
  /** URL. */
  readonly store: string;
  /** Names of files, and the user; absent if there is none. */
  readonly storeOptions?: OpenOptions;
  readonly uplink?: string;
  readonly vtepIp?: string;
}

/** Returns the file with the settings of the last agent at `socket`. */
export function settingsFileOf(socket: string): string {
  return `${socket}.settings`;
}

/** One finding of `doctor`. */
export interface CheckItem {
  readonly id: string;
  readonly group: string;
  readonly state: "ok" | "warning" | "failed";
  readonly message: string;
  /** The way out, where something is wrong. */
  readonly fix?: string;
}

/** What `doctor` finds. */
export interface DoctorAnswer {
  /** Nothing failed. */
  readonly ok: boolean;
  readonly checks: readonly CheckItem[];
}

/** State of the connection to Kubernetes, and what is cached of it. */
export interface KubeHealth {
  readonly state: "up" | "down";
  /** Why it is down, as a sentence; empty if it is up. */
  readonly why: string;
  readonly server: string;
  /** The node that this host is. */
  readonly node: string;
  readonly pods: number;
  readonly namespaces: number;
  readonly policies: number;
  /** Pods of the whole cluster; 0 while there is no policy. */
  readonly peers: number;
}

/** An item of GET /v1/pods: a pod and its networks. */
export interface PodItem {
  readonly namespace: string;
  readonly name: string;
  /** `tenant/network` of each interface; empty for a pod without a network. */
  readonly networks: readonly string[];
  /** Without prefix length, in the order of the networks. */
  readonly ips: readonly string[];
  readonly node: string;
}

/** An item of GET /v1/events: something that happened on this host. */
export interface EventItem {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** attach, detach, repair, drop, store, … */
  readonly kind: string;
  readonly host: string;
  /** `namespace/name` */
  readonly pod?: string;
  /** `tenant/network` */
  readonly network?: string;
  readonly address?: string;
  readonly message: string;
}

/** Body of every response that is not 2xx: the parts of a Fault. */
export interface FaultBody {
  readonly code: FaultCode;
  readonly what: string;
  readonly why?: string;
  readonly fix?: string;
}
