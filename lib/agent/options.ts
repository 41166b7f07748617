// The options of the agent.

import type { DriverOptions } from "./drivers.ts";
import type { HistoryLimit } from "./store/history_limit.ts";
import type { ListenOptions } from "./metrics/listen_address.ts";
import type { KubeOptions } from "./kube/kube_options.ts";
import type { ServiceManagerOptions } from "./service_manager.ts";

/** Options of the agent from flags, environment and configuration file. */
export interface AgentOptions extends DriverOptions {
  /** Texts of intents to apply at start, with their names for errors. */
  readonly intents: readonly { readonly name: string; readonly text: string }[];
  /** Milliseconds between two heartbeats in a shared store. */
  readonly beatMs: number;
  /** Take over the label of a host that is gone for good. */
  readonly takeOver: boolean;
  readonly socket: string;
  readonly stateDir: string;
  /** Device to the VLAN fabric; that of the intent when absent. */
  readonly uplink?: string;
  readonly isUplinkForced: boolean;
  /** This host's tunnel address; that of the intent when absent. */
  readonly vtepIp?: string;
  /** CIDR of the addresses of hosts in pods' networks; that of the store when absent. */
  readonly hostRange?: string;
  /** Set arp_ignore on NICs that answer ARP for the tunnel address, on the userspace datapath. */
  readonly setsArpIgnore: boolean;
  readonly onUnmatched: "ignore" | "fail";
  readonly graceMs: number;
  /** Log what policies drop. */
  readonly logsDrops: boolean;
  /** The cluster that this host is a node of, if any. */
  readonly kube?: KubeOptions;
  /** Where metrics and probes are served, if anywhere. */
  readonly listen?: ListenOptions;
  /** Which revisions of the intent are kept. */
  readonly history: HistoryLimit;
  readonly version: string;
  /** The service manager that started the agent, if any. */
  readonly serviceManager?: ServiceManagerOptions;
}

/** Reports whether other hosts use the store, too. */
export function isShared({ store }: Pick<AgentOptions, "store">): boolean {
  return !store.startsWith("sqlite:");
}
