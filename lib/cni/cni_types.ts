// The words of the Container Network Interface (CNI specification 0.3.1 to 1.1.0) as this plugin uses them: one
// call of a runtime, its network configuration, and the result. Pure, and imported by the CNI face, which pods
// wait for: no package.

/** Versions of the specification that the plugin speaks, the newest last. */
export const CNI_VERSIONS = ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;

/** A version of the specification. */
export type CniVersion = typeof CNI_VERSIONS[number];

/** What a runtime passes to its plugin: environment variables and standard input, as they came. */
export interface CniInput {
  /** CNI_COMMAND. */
  readonly command: string;
  /** CNI_CONTAINERID; empty if unset, as are the next ones. */
  readonly containerId: string;
  /** CNI_NETNS. */
  readonly netns: string;
  /** CNI_IFNAME. */
  readonly ifname: string;
  /** CNI_ARGS. */
  readonly args: string;
  /** CNI_PATH. */
  readonly path: string;
  /** The network configuration, from standard input. */
  readonly config: string;
  /** Whether the plugin itself repeats this call, as an earlier try had no answer: then it may have been done. */
  readonly isRetry?: boolean;
}

/** A checked call of every command but VERSION. */
export interface CniCall {
  readonly command: "ADD" | "DEL" | "CHECK" | "GC" | "STATUS";
  /** Empty for GC and STATUS, as are `netns` and `ifname`. */
  readonly containerId: string;
  /** Path of the network namespace; may be empty for DEL. */
  readonly netns: string;
  readonly ifname: string;
  readonly args: CniArgs;
  readonly config: CniConfig;
}

/** What CNI_ARGS says. */
export interface CniArgs {
  /** `K8S_POD_NAMESPACE`, `K8S_POD_NAME`, `K8S_POD_UID`. */
  readonly podNamespace?: string;
  readonly podName?: string;
  readonly podUid?: string;
  /** `IP`, without or with a prefix length. */
  readonly ip?: string;
  /** `MAC`, in lower case. */
  readonly mac?: string;
}

/** The network configuration of one plugin of a list, with its keys checked. */
export interface CniConfig {
  readonly cniVersion: CniVersion;
  /** Name of the network, that is, of the list. */
  readonly name: string;
  /** The agent's socket. */
  readonly socket?: string;
  /** Which network of the intent; a network needs a tenant only if its name is not unique. */
  readonly tenant?: string;
  readonly network?: string;
  /** Name of an endpoint (the intent's `Container`) in that network. */
  readonly endpoint?: string;
  /** `warm`: the interface may be on a port that was added ahead, as no plugin behind needs its pair. @default "plain" */
  readonly ports?: CniPorts;
  readonly runtimeConfig: CniRuntimeConfig;
  /** `dns` of the configuration, passed on in the result where the runtime gave none. */
  readonly dns?: CniDns;
  /** Result of the plugin before this one; for DEL and CHECK, the result of the list's ADD. */
  readonly prevResult?: CniResult;
  /** GC: attachments that are in use; any other of this network may be removed. The runtime may not say. */
  readonly validAttachments?: readonly CniAttachmentKey[] | "unknown";
}

/** Which ports the interfaces of a configuration get. */
export type CniPorts = "plain" | "warm";

/** Capabilities, as far as the runtime passes them. */
export interface CniRuntimeConfig {
  /** `mac`, in lower case. */
  readonly mac?: string;
  /** `ips`, without or with a prefix length. */
  readonly ips?: readonly string[];
  readonly dns?: CniDns;
  /** `io.kubernetes.cri.pod-annotations`. */
  readonly annotations?: Readonly<Record<string, string>>;
  /** Host ports of `portMappings`, which another plugin of the list maps. */
  readonly hostPorts?: readonly number[];
}

/** One attachment as a runtime names it. */
export interface CniAttachmentKey {
  readonly containerId: string;
  readonly ifname: string;
}

/** A result in the form of version 1.1.0; cni/cni_result.ts converts from and to older ones. */
export interface CniResult {
  readonly interfaces: readonly CniInterface[];
  readonly ips: readonly CniIp[];
  readonly routes: readonly CniRoute[];
  readonly dns: CniDns;
  /** Fields that only other plugins fill: passed on. */
  readonly others?: Readonly<Record<string, unknown>>;
}

/** An interface; one in the container has `sandbox`, the path of its namespace. */
export interface CniInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  readonly sandbox?: string;
  /** Fields that only other plugins fill: passed on. */
  readonly others?: Readonly<Record<string, unknown>>;
}

/** An address, as a CIDR. */
export interface CniIp {
  readonly address: string;
  readonly gateway?: string;
  /** Index in `interfaces`. */
  readonly interface?: number;
  readonly others?: Readonly<Record<string, unknown>>;
}

/** A route. */
export interface CniRoute {
  /** CIDR. */
  readonly dst: string;
  readonly gw?: string;
  readonly mtu?: number;
  readonly others?: Readonly<Record<string, unknown>>;
}

/** Name servers for the container. */
export interface CniDns {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

/** Error codes: those of the specification, and from 100 on the plugin's own. */
export const CNI_CODES = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  io: 5,
  decode: 6,
  invalidConfig: 7,
  invalidNetns: 8,
  tryAgain: 11,
  notAvailable: 50,
  limitedConnectivity: 51,
  poolExhausted: 100,
  noNetwork: 101,
  policyFailed: 102,
  conflict: 103,
  failed: 104,
  notAsRecorded: 105,
} as const;

/** One of CNI_CODES. */
export type CniCode = typeof CNI_CODES[keyof typeof CNI_CODES];

/** A failure as the specification reports it: code, message, details. */
export class CniError extends Error {
  readonly code: CniCode;
  readonly details: string | undefined;

  constructor(code: CniCode, message: string, details?: string) {
    super(message);
    this.name = "CniError";
    this.code = code;
    this.details = details;
  }
}
