// A CNI runtime in a lab: calls the plugins of a list as libcni does, the built file among them, one process
// for each call. Results are kept for CHECK and DEL, as libcni's cache keeps them.

import type { Ended } from "./agent.ts";
import { hangSignal } from "./limits.ts";
import { feed } from "./one_file.ts";
import type { Pod } from "./pod.ts";

/** Where Debian has the reference plugins. */
export const REFERENCE_PLUGINS = "/usr/lib/cni";

/** The configuration of one plugin in a list. */
export type PluginConfig = Readonly<Record<string, unknown>> & { readonly type: string };

/** What a runtime is made with. */
export interface CniRuntimeOptions {
  /** The plugin's executable, for plugins of type `k8contivnet`. */
  readonly file: string;
  /** Socket of its agent. */
  readonly socket: string;
  /** @default "1.0.0" */
  readonly cniVersion?: string;
  /** Name of the network. @default "pods" */
  readonly name?: string;
  /** @default [{ type: "k8contivnet" }] */
  readonly plugins?: readonly PluginConfig[];
  /** More environment for each call. */
  readonly env?: Readonly<Record<string, string>>;
}

/** One container's interface. */
export interface CniTarget {
  readonly pod: Pod;
  /** @default "eth0" */
  readonly ifname?: string;
  /** Capabilities, by plugin type: what containerd puts into runtimeConfig. */
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
  /** More of CNI_ARGS. */
  readonly args?: string;
  /** @default the pod's name below /run/netns */
  readonly netns?: string;
}

/** An answer of a plugin, parsed. */
export interface PluginAnswer extends Ended {
  readonly json: Record<string, unknown> & { readonly code?: number; readonly msg?: string };
}

/** A result, as far as tests read it. */
export interface PluginResult {
  readonly cniVersion: string;
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac?: string;
    readonly sandbox?: string;
  }[];
  readonly ips: readonly { readonly address: string; readonly interface?: number }[];
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
}

/** A runtime with one list of plugins. */
export class LabCniRuntime {
  readonly #options: Required<CniRuntimeOptions>;
  readonly #results = new Map<string, PluginResult>();

  constructor(options: CniRuntimeOptions) {
    this.#options = {
      cniVersion: "1.0.0",
      name: "pods",
      plugins: [{ type: "k8contivnet" }],
      env: {},
      ...options,
    };
  }

  /** Adds an interface by all plugins in order; throws with the answer of one that fails. */
  async add(target: CniTarget): Promise<PluginResult> {
    let prevResult: PluginResult | undefined;
    for (const plugin of this.#options.plugins) {
      const answer = await this.call("ADD", plugin, target, prevResult);
      prevResult = successOf("ADD", plugin, answer) as unknown as PluginResult;
    }
    if (!prevResult) throw new Error("a list without plugins");
    this.#results.set(keyOf(target), prevResult);
    return prevResult;
  }

  /** Checks an interface by all plugins in order; throws with the answer of one that fails. */
  async check(target: CniTarget): Promise<void> {
    const prevResult = this.#results.get(keyOf(target));
    for (const plugin of this.#options.plugins) {
      successOf("CHECK", plugin, await this.call("CHECK", plugin, target, prevResult));
    }
  }

  /** Deletes an interface by all plugins in reverse order; throws with the answer of one that fails. */
  async del(target: CniTarget): Promise<void> {
    const prevResult = this.#results.get(keyOf(target));
    for (const plugin of this.#options.plugins.toReversed()) {
      successOf("DEL", plugin, await this.call("DEL", plugin, target, prevResult));
    }
    this.#results.delete(keyOf(target));
  }

  /** Calls one plugin for an interface. */
  call(
    command: string,
    plugin: PluginConfig,
    { pod, ifname = "eth0", runtimeConfig = {}, args, netns = `/run/netns/${pod.id}` }: CniTarget,
    prevResult?: unknown,
  ): Promise<PluginAnswer> {
    const words = [
      ...["IgnoreUnknown=1", `K8S_POD_NAMESPACE=${pod.namespace}`, `K8S_POD_NAME=${pod.name}`],
      ...[`K8S_POD_INFRA_CONTAINER_ID=${pod.id}`, `K8S_POD_UID=uid-${pod.id.slice(0, 12)}`],
      ...args === undefined ? [] : [args],
    ];
    const declared = plugin.capabilities as Record<string, boolean> | undefined;
    const passed = Object.entries(runtimeConfig).filter(([key]) => declared?.[key]);
    return this.raw(
      {
        CNI_COMMAND: command,
        CNI_CONTAINERID: pod.id,
        CNI_NETNS: netns,
        CNI_IFNAME: ifname,
        CNI_ARGS: words.join(";"),
      },
      plugin,
      {
        ...passed.length > 0 ? { runtimeConfig: Object.fromEntries(passed) } : {},
        ...prevResult === undefined ? {} : { prevResult },
      },
    );
  }

  /** Calls GC or STATUS of one plugin. */
  ofNetwork(
    command: "GC" | "STATUS",
    more: Readonly<Record<string, unknown>> = {},
  ): Promise<PluginAnswer> {
    const [plugin = { type: "k8contivnet" }] = this.#options.plugins;
    return this.raw({ CNI_COMMAND: command }, plugin, { cniVersion: "1.1.0", ...more });
  }

  /** Calls a plugin with this environment, and its configuration with `keys`. */
  async raw(
    env: Readonly<Record<string, string>>,
    plugin: PluginConfig,
    keys: Readonly<Record<string, unknown>> = {},
  ): Promise<PluginAnswer> {
    const { file, socket, cniVersion, name, env: more } = this.#options;
    const isOurs = plugin.type === "k8contivnet";
    const child = new Deno.Command(isOurs ? file : `${REFERENCE_PLUGINS}/${plugin.type}`, {
      env: { K8CONTIVNET_SOCKET: socket, CNI_PATH: REFERENCE_PLUGINS, ...more, ...env },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: hangSignal(90_000),
    }).spawn();
    const ended = await feed(child, JSON.stringify({ cniVersion, name, ...plugin, ...keys }));
    const { out, err } = ended;
    return { ...ended, err: err.trim(), json: out.trim() === "" ? {} : JSON.parse(out) };
  }
}

function keyOf({ pod, ifname = "eth0" }: CniTarget): string {
  return `${pod.id} ${ifname}`;
}

function successOf(
  command: string,
  { type }: PluginConfig,
  { code, out, err, json }: PluginAnswer,
): PluginAnswer["json"] {
  if (code === 0) return json;
  throw new Error(`${command} of ${type} ended with ${code}: ${out}${err}`);
}
