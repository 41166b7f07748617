// libcni, the library by which container runtimes call plugins, on a lab's host: cnitool of two versions, and
// calls with what cnitool cannot say. They are built by tests/kube/libcni.sh.

import type { CniInput } from "../../../lib/cni/cni_types.ts";
import { variablesOf } from "../../fixtures/cni_variables.ts";
import { REFERENCE_PLUGINS } from "../../lab/cni_runtime.ts";
import { FILE, type Host } from "../../lab/host.ts";
import { type Ended, start } from "../../lab/one_file.ts";
import type { Pod } from "../../lab/pod.ts";
import { run } from "../../lab/run.ts";

const SCRIPT = new URL("../../kube/libcni.sh", import.meta.url).pathname;
// It is built in a minute, beside everything else that a whole run begins with.
const BUILD_LIMIT_MS = 15 * 60_000;

/** Where cnitool keeps results; set when it is built. In a lab, /run is its own. */
export const CNITOOL_CACHE = "/run/cnitool/results";

/** One call through libcni; see tests/kube/libcni/call/main.go. */
export interface LibcniCall {
  readonly command: string;
  /** The list, as text of its file. */
  readonly list: string;
  readonly containerId?: string;
  readonly netns?: string;
  readonly ifname?: string;
  /** CNI_ARGS. */
  readonly args?: readonly (readonly [string, string])[];
  readonly runtimeConfig?: Readonly<Record<string, unknown>>;
  /** GC: attachments in use. */
  readonly valid?: readonly { readonly containerID: string; readonly ifname: string }[];
  /** GC: a list that is nil in Go, as CRI-O passes it without pods. */
  readonly validNil?: boolean;
}

/** How it ended. */
export interface LibcniAnswer {
  /** How many plugins libcni has started. */
  readonly called: number;
  readonly result?: Record<string, unknown>;
  /** Code 0 if libcni itself refused. */
  readonly error?: { readonly code: number; readonly msg: string; readonly details?: string };
}

/** A result in the form of 1.0.0 and 1.1.0. */
export interface ToolResult {
  readonly cniVersion: string;
  readonly interfaces: readonly {
    readonly name: string;
    readonly mac: string;
    readonly mtu?: number;
    readonly sandbox?: string;
  }[];
  readonly ips: readonly { readonly address: string; readonly interface: number }[];
  readonly routes?: readonly { readonly dst: string; readonly gw?: string }[];
}

/** libcni with plugins and configurations in a folder of the host. */
export class Libcni {
  readonly #bin: string;
  readonly #dir: string;
  readonly #env: Record<string, string>;

  private constructor(bin: string, { dir, agent }: Host) {
    this.#bin = bin;
    this.#dir = `${dir}/libcni`;
    this.#env = {
      PATH: Deno.env.get("PATH") ?? "",
      CNI_PATH: `${this.#dir}/bin:${REFERENCE_PLUGINS}`,
      NETCONFPATH: `${this.#dir}/net.d`,
      K8CONTIVNET_SOCKET: agent.socket,
      K8CONTIVNET_CACHE: Deno.env.get("K8CONTIVNET_CACHE") ?? "/run/k8contivnet-cache",
    };
  }

  /** Waits until the programs are built, and makes the folders with our file. */
  static async make(host: Host): Promise<Libcni> {
    const built = await run(SCRIPT, ["--wait"], { limitMs: BUILD_LIMIT_MS });
    const libcni = new Libcni(built, host);
    for (const folder of ["bin", "net.d"]) {
      await Deno.mkdir(`${host.dir}/libcni/${folder}`, { recursive: true });
    }
    await Deno.symlink(FILE, `${host.dir}/libcni/bin/k8contivnet`);
    return libcni;
  }

  /** Writes the configuration of a network for cnitool. */
  async configure(name: string, list: Readonly<Record<string, unknown>>): Promise<void> {
    const text = JSON.stringify({ name, ...list });
    await Deno.writeTextFile(`${this.#dir}/net.d/${name}.conflist`, text);
  }

  /** Runs cnitool for a pod's namespace. */
  tool(
    version: "1.1" | "1.3",
    command: "add" | "check" | "del" | "gc" | "status",
    network: string,
    pod: Pod,
    { ifname = "eth0", runtimeConfig }: {
      readonly ifname?: string;
      readonly runtimeConfig?: Readonly<Record<string, unknown>>;
    } = {},
  ): Promise<Ended> {
    const env = {
      ...this.#env,
      CNI_IFNAME: ifname,
      CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=${pod.namespace};K8S_POD_NAME=${pod.name}`,
      ...runtimeConfig && { CAP_ARGS: JSON.stringify(runtimeConfig) },
    };
    return start([`${this.#bin}/cnitool-${version}`, command, network, netnsOf(pod)], { env });
  }

  /** Adds a pod by cnitool, and returns the result; throws with the error of one that fails. */
  async add(...[version, network, pod, options]: AddWords): Promise<ToolResult> {
    const { code, out, err } = await this.tool(version, "add", network, pod, options);
    if (code !== 0) throw new Error(`cnitool ended with ${code}: ${out}${err}`);
    return JSON.parse(out);
  }

  /** Makes one call through the later libcni. */
  async call({ command, list, ...more }: LibcniCall): Promise<LibcniAnswer> {
    const path = this.#env.CNI_PATH!.split(":");
    const stdin = JSON.stringify({
      ...{ command, list, path, cacheDir: `${this.#dir}/cache` },
      ...more,
    });
    const { code, out, err } = await start([`${this.#bin}/call`], { env: this.#env, stdin });
    if (code !== 0) throw new Error(`the call ended with ${code}: ${out}${err}`);
    return JSON.parse(out);
  }

  /** Forgets all results of `call`, as a runtime that has lost its folder. */
  async forget(): Promise<void> {
    await Deno.remove(`${this.#dir}/cache`, { recursive: true });
  }

  /** Calls our file as a runtime without libcni does. */
  callFile(input: CniInput): Promise<Ended> {
    const { config } = input;
    return start([FILE], { env: { ...this.#env, ...variablesOf(input) }, stdin: config });
  }

  /** Calls the plugin that has only the checks of the reference implementation. */
  callReference(input: CniInput): Promise<Ended> {
    const { config } = input;
    return start([`${this.#bin}/reference`], { env: variablesOf(input), stdin: config });
  }
}

type AddWords = readonly [
  version: "1.1" | "1.3",
  network: string,
  pod: Pod,
  options?: { readonly ifname?: string; readonly runtimeConfig?: Record<string, unknown> },
];

/** Returns the path of a pod's namespace. */
export function netnsOf({ id }: Pod): string {
  return `/run/netns/${id}`;
}

/** Returns the container id under which cnitool adds a pod: the start of a hash of the namespace's path. */
export async function toolIdOf(pod: Pod): Promise<string> {
  const bytes = new TextEncoder().encode(netnsOf(pod));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-512", bytes));
  return `cnitool-${hash.slice(0, 10).toHex()}`;
}
