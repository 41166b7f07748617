// The state of an agent: its health, its settings, and what a doctor finds.

import type { OpenOptions } from "../../store/open_options.ts";
import type { SetupCounts } from "./pod_requests.ts";

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
  /** Errors that Open vSwitch reports of this host's bridges and ports; absent without errors. */
  readonly interfaceErrors?: readonly { readonly name: string; readonly error: string }[];
  /** Absent from agents of older versions. */
  readonly settings?: AgentSettings;
  /** Absent from agents of older versions. */
  readonly setups?: SetupCounts;
  /** How many pods run without a network since their endpoint was deleted or released; absent if none. */
  readonly withoutEndpoint?: number;
  /** What keeps policies from being in force; absent where they are. */
  readonly policies?: string;
  /** What keeps pods from what their networks may reach; absent where nothing does. */
  readonly reach?: string;
  /** What of the host's own may keep them from it; absent where nothing does. */
  readonly reachWarnings?: readonly { readonly what: string; readonly fix: string }[];
  /** What keeps pods from other hosts; absent where nothing does, and from agents of older versions. */
  readonly fabric?: readonly FabricProblem[];
  /** Absent without a cluster. */
  readonly kube?: KubeHealth;
}

/** What is wrong with the way to other hosts. */
export interface FabricProblem {
  readonly part: "uplink" | "overlay" | "arp_ignore";
  /** With a warning, pods reach some hosts all the same. */
  readonly state: "warning" | "failed";
  readonly what: string;
  /** The way out, with its commands for a root shell. */
  readonly fix: string;
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
  /** Names of files, and the user, as far as they are set. */
  readonly storeOptions?: OpenOptions;
  readonly uplink?: string;
  readonly vtepIp?: string;
  /** `plain`, `warm` or `auto`; absent from agents of older versions. */
  readonly ports?: string;
  /** Absent without a cluster, and from agents of older versions. */
  readonly kube?: KubeSettings;
}

/** How an agent reaches its cluster. */
export interface KubeSettings {
  /** Path, or `in-cluster`. */
  readonly kubeconfig: string;
  /** It may ask an API server without TLS. */
  readonly isInsecure: boolean;
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
  /** Pods of the whole cluster; 0 without a policy. */
  readonly peers: number;
}
