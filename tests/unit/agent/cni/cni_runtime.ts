// A CNI runtime for unit tests: makes containers' network namespaces in memory, calls the agent as containerd
// does, and keeps results for later calls.

import type { CniInput } from "../../../../lib/cni/cni_types.ts";
import type { MemoryNamespace } from "../../../memory/memory_kernel.ts";
import { type MemoryAgent, startMemoryAgent } from "../../../memory/memory_agent.ts";

/** An answer of the plugin, parsed. */
export interface RuntimeAnswer {
  readonly exit: number;
  readonly json: Record<string, unknown> & { readonly code?: number; readonly msg?: string };
}

/** What a call changes of the defaults. */
export interface CallOptions {
  readonly container?: string;
  readonly ifname?: string;
  /** Kubernetes pod, `NAMESPACE/NAME`; empty for none. @default "default/" and the container's name */
  readonly pod?: string;
  readonly args?: string;
  /** Keys of the network configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  readonly isRetry?: boolean;
}

/** A runtime on the host of an agent. */
export class CniRuntime {
  readonly #agent: MemoryAgent;
  readonly #results = new Map<string, unknown>();

  constructor(agent: MemoryAgent) {
    this.#agent = agent;
  }

  /** Makes the namespace of a container. */
  start(container: string): MemoryNamespace {
    return this.#agent.host.kernel.addNamespace(netnsOf(container));
  }

  /** Calls the plugin; ADD makes the container's namespace if there is none. */
  async call(command: string, options: CallOptions = {}): Promise<RuntimeAnswer> {
    const { container = "c1", ifname = "eth0", pod = `default/${container}`, config = {} } =
      options;
    const { kernel } = this.#agent.host;
    const netns = netnsOf(container);
    if (command === "ADD" && !kernel.namespaceAt(netns)) this.start(container);
    const [namespace, name] = pod.split("/");
    const named = pod === ""
      ? []
      : [`K8S_POD_NAMESPACE=${namespace}`, `K8S_POD_NAME=${name}`, `K8S_POD_UID=uid-${container}`];
    const key = `${container} ${ifname}`;
    const prevResult = command === "ADD" ? undefined : this.#results.get(key);
    const input: CniInput = {
      command,
      ...command === "GC" || command === "STATUS"
        ? { containerId: "", netns: "", ifname: "", args: "" }
        : {
          containerId: container,
          netns: kernel.namespaceAt(netns) ? netns : "",
          ifname,
          args: ["IgnoreUnknown=1", ...named, ...options.args ? [options.args] : []].join(";"),
        },
      path: "/opt/cni/bin",
      config: JSON.stringify({
        ...{ cniVersion: "1.1.0", name: "pods", type: "k8contivnet" },
        ...prevResult ? { prevResult } : {},
        ...config,
      }),
      ...options.isRetry ? { isRetry: true } : {},
    };
    const { exit, output } = await this.#agent.agent.answerCni(input);
    const json = output === "" ? {} : JSON.parse(output);
    if (command === "ADD" && exit === 0) this.#results.set(key, json);
    return { exit, json };
  }
}

/** Returns the path of a container's namespace. */
export function netnsOf(container: string): string {
  return `/var/run/netns/cni-${container}`;
}

/** Starts an agent with networks of tenant `t`, and a runtime beside it. */
export async function startRuntime(
  networks: readonly object[],
  more: object = {},
): Promise<Disposable & { readonly agent: MemoryAgent; readonly runtime: CniRuntime }> {
  const agent = await startMemoryAgent();
  await agent.apply(networks, more);
  await agent.agent.loops.reconcile.reconcileOnce();
  return {
    agent,
    runtime: new CniRuntime(agent),
    [Symbol.dispose]: () => agent[Symbol.dispose](),
  };
}
