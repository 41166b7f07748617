// What a scenario is made of, and the words to write one down. Data only: play.ts plays them.

import type { Fabric } from "../cluster/fabric.ts";

/** How a ping must end: `ok`, the first one is answered by the right pod; `fails`, it never arrives. */
export type Ending = "ok" | "fails";

/** One step. Pods are c1, c2, … for myContainer1, …; endpoints `<network>-<pod>`, as netdcli has them. */
export type Step =
  | { readonly do: "serve"; readonly pod: string; readonly host: number }
  | Ping & { readonly do: "client"; readonly host: number }
  | Ping & { readonly do: "ping" }
  | { readonly do: "refused"; readonly pod: string; readonly host: number }
  | { readonly do: "start"; readonly pod: string; readonly host: number }
  | { readonly do: "setup"; readonly pod: string }
  | { readonly do: "attached"; readonly pod: string; readonly endpoint: string }
  | { readonly do: "detached"; readonly endpoint: string }
  | { readonly do: "post"; readonly flag: string; readonly document: unknown }
  | { readonly do: "bind"; readonly bindings: string; readonly containers: Containers }
  | { readonly do: "gone"; readonly construct: "network" | "endpoint"; readonly id: string };

interface Ping {
  readonly pod: string;
  readonly want: Ending;
  readonly endpoint: string;
}

/** Names in a bindings file → pods of the scenario whose ids become their AttachUUID. */
type Containers = Readonly<Record<string, string>>;

/** One scenario of the original's system tests. */
export interface Scenario {
  readonly number: number;
  readonly name: string;
  readonly hosts: 1 | 2;
  readonly fabric: Fabric;
  /** A document, or an example file's text. */
  readonly intent: unknown;
  readonly steps: readonly Step[];
}

/** A container that only waits: it is set up on `host`. */
export const serve = (pod: string, host: number): Step => ({ do: "serve", pod, host });

/** A container that is started on `host`, or killed and started anew there, and pings. */
export const client = (pod: string, host: number, want: Ending, endpoint: string): Step => ({
  do: "client",
  pod,
  host,
  want,
  endpoint,
});

/** A ping from a pod that runs. */
export const ping = (pod: string, want: Ending, endpoint: string): Step => ({
  do: "ping",
  pod,
  want,
  endpoint,
});

/** A pod that is placed where it must not be: set-up ends with 4, and nothing is attached. */
export const refused = (pod: string, host: number): Step => ({ do: "refused", pod, host });

/** A container that runs before its set-up is requested. */
export const start = (pod: string, host: number): Step => ({ do: "start", pod, host });

/** Set-up of a container that was only started. */
export const setup = (pod: string): Step => ({ do: "setup", pod });

/** A running pod that is attached to `endpoint` without another set-up. */
export const attached = (pod: string, endpoint: string): Step => ({
  do: "attached",
  pod,
  endpoint,
});

/** An endpoint that no pod is attached to, once the agents have followed its deletion. */
export const detached = (endpoint: string): Step => ({ do: "detached", endpoint });

/** A document handed to netdcli on the first host. */
export const post = (flag: "-cfg" | "-add-cfg" | "-del-cfg", document: unknown): Step => ({
  do: "post",
  flag,
  document,
});

/** A bindings file handed to netdcli, AttachUUIDs filled in from the running containers. */
export const bind = (bindings: string, containers: Containers = {}): Step => ({
  do: "bind",
  bindings,
  containers,
});

/** Something that netdcli does not find any more. */
export const gone = (construct: "network" | "endpoint", id: string): Step => ({
  do: "gone",
  construct,
  id,
});

/** Networks as name → pods, each `c1`, or `c1@2` where it is pinned to host 2. */
export type Networks = Readonly<Record<string, readonly string[]>>;

/** How the hosts of an intent are joined. */
export type Joined = "alone" | "uplinks" | "vteps";

/** Returns an intent as the original's tests wrote it: one tenant with its usual pools, two hosts. */
export function intentOf(joined: Joined, networks: Networks, hosts = 2): unknown {
  const type = joined === "vteps"
    ? { DefaultNetType: "vxlan", Vxlans: "10001-14000" }
    : { DefaultNetType: "vlan", Vlans: "11-48" };
  return {
    ...joined === "alone" ? {} : { Hosts: hostsOf(joined, hosts) },
    Tenants: [{
      Name: "tenant-one",
      SubnetPool: "11.1.0.0/16",
      AllocSubnetLen: 24,
      ...type,
      Networks: Object.entries(networks).map(networkOf),
    }],
  };
}

/** Returns a part of such an intent: the tenant by its name alone, as a delta is written. */
export function deltaOf(networks: Networks): unknown {
  return {
    Tenants: [{ Name: "tenant-one", Networks: Object.entries(networks).map(networkOf) }],
  };
}

/** Returns the container's name behind a pod's short one: c1 is myContainer1. */
export function containerOf(pod: string): string {
  return pod.replace(/^c(?=\d+$)/, "myContainer");
}

function hostsOf(joined: "uplinks" | "vteps", count: number): unknown[] {
  return Array.from({ length: count }, (_, at) => at + 1).map((n) => ({
    Name: `host${n}`,
    ...joined === "uplinks" ? { Intf: "eth2" } : { VtepIp: `192.168.2.${n + 9}` },
  }));
}

function networkOf([name, pods]: [string, readonly string[]]): unknown {
  const Endpoints = pods.map((pod) => {
    const [short = "", host] = pod.split("@");
    return { Container: containerOf(short), ...host ? { Host: `host${host}` } : {} };
  });
  return { Name: name, ...Endpoints.length > 0 ? { Endpoints } : {} };
}
