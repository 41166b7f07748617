// The containerd of one machine, from its folder of Debian packages or the system's, and its sandboxes.

import { isListening, type Server } from "../../lab/server.ts";
import { Cri } from "./cri.ts";
import { IMAGE } from "./image.ts";
import type { Machine } from "./machine.ts";
import type { Plugins } from "./plugins.ts";

/** What a containerd is started with. */
export interface ContainerdOptions {
  readonly machine: Machine;
  readonly plugins: Plugins;
  /** File of the image. */
  readonly image: string;
  /** Socket of the agent, for our plugin. */
  readonly socket: string;
  /** The executable. @default "/usr/bin/containerd" */
  readonly command?: string;
}

/** A containerd that can be killed and started while its sandboxes run. */
export class Containerd implements AsyncDisposable {
  readonly socket: string;
  readonly cri: Cri;
  readonly #options: ContainerdOptions;
  #server: Server | undefined;

  constructor(options: ContainerdOptions) {
    this.#options = options;
    this.socket = `${options.machine.options.dir}/containerd.sock`;
    this.cri = new Cri(this.socket);
  }

  /** Starts it; returns when it has its image and answers for sandboxes. */
  async start(): Promise<void> {
    if (this.#server) return;
    const { machine, image, command = "/usr/bin/containerd" } = this.#options;
    const { dir } = machine.options;
    const { out } = await machine.run(command, ["--version"]);
    const config = / v?2\.\d/.test(out) ? this.#configOf2() : this.#configOf1();
    await Deno.writeTextFile(`${dir}/containerd.toml`, config);
    await Deno.remove(this.socket).catch(() => {});
    this.#server = await machine.start({
      name: "containerd",
      command,
      args: ["--config", `${dir}/containerd.toml`, "--log-level", "info"],
      env: this.#environment(command),
      isUp: () => isListening(this.socket),
      limitMs: 30_000,
    });
    const folder = command.slice(0, command.lastIndexOf("/"));
    const ctr = `${folder}/ctr -a ${this.socket} -n k8s.io images`;
    await machine.sh(`${ctr} ls -q | grep -qF ${IMAGE} || ${ctr} import ${image}`);
    await this.cri.version();
  }

  /** Ends it in order; its sandboxes stay. */
  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  /** Ends it by SIGKILL; its sandboxes stay. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  /** Forgets the process, which has ended with its machine. */
  forget(): void {
    this.#server = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cri[Symbol.dispose]();
    await this.stop();
  }

  // Plugins get the whole of containerd's environment. Its own shim is found by the PATH.
  #environment(command: string): Record<string, string> {
    const cache = Deno.env.get("K8CONTIVNET_CACHE");
    const { socket } = this.#options;
    const folder = command.slice(0, command.lastIndexOf("/"));
    return {
      PATH: `${folder}:/usr/sbin:/usr/bin:/sbin:/bin`,
      K8CONTIVNET_SOCKET: socket,
      ...cache === undefined ? {} : { K8CONTIVNET_CACHE: cache },
    };
  }

  // Without CAP_SYS_RESOURCE, a container's oom_score_adj cannot be lowered: it is restricted.
  #configOf1(): string {
    const { plugins } = this.#options;
    return `version = 2
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "${IMAGE}"
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "${plugins.bin}"
conf_dir = "${plugins.conf}"
[grpc]
address = "${this.socket}"
`;
  }

  #configOf2(): string {
    const { plugins } = this.#options;
    return `version = 3
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "${IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["${plugins.bin}"]
conf_dir = "${plugins.conf}"
[grpc]
address = "${this.socket}"
`;
  }
}
