// One node: a host of the lab with its Open vSwitch and agent, and on it a machine with containerd.

import { type ClusterHost, makeHost } from "../../lab/cluster/host.ts";
import type { Fabrics } from "../../lab/cluster/fabric.ts";
import { FILE } from "../../lab/host.ts";
import { Containerd } from "./containerd.ts";
import { Machine } from "./machine.ts";
import { ourConfiguration, Plugins } from "./plugins.ts";

/** What a node is made of. */
export interface LabNodeOptions {
  /** From 1. */
  readonly n: number;
  readonly dir: string;
  readonly fabrics: Fabrics;
  /** MTU of the wire; undefined where there is none. */
  readonly wireMtu?: number;
  /** Flags of the agent. */
  readonly flags?: readonly string[];
  /** File of the image. */
  readonly image: string;
  /** The containerd. @default the system's */
  readonly containerd?: string;
  /** Debian's plugins that its configurations use, too. */
  readonly plugins?: readonly string[];
}

/** A node that can be cut off its power and booted again. */
export class LabNode implements AsyncDisposable {
  readonly name: string;
  readonly machine: Machine;
  readonly containerd: Containerd;
  readonly plugins: Plugins;
  readonly #options: LabNodeOptions;
  #host: ClusterHost | undefined;

  private constructor(options: LabNodeOptions, plugins: Plugins) {
    const { n, dir, image, containerd } = options;
    this.#options = options;
    this.name = `host${n}`;
    this.plugins = plugins;
    this.machine = new Machine({ name: this.name, netns: `h${n}`, dir: `${dir}/machine` });
    this.containerd = new Containerd({
      ...{ machine: this.machine, plugins, image, socket: `${dir}/agent/agent.sock` },
      ...containerd === undefined ? {} : { command: containerd },
    });
  }

  /** Makes a node and boots it, with our configuration; its agent and containerd run then. */
  static async start(options: LabNodeOptions, ...agentFlags: string[]): Promise<LabNode> {
    await Deno.mkdir(options.dir, { recursive: true });
    const plugins = await Plugins.make(`${options.dir}/cni`, options.plugins);
    const node = new LabNode(options, plugins);
    try {
      await node.powerOn(...agentFlags);
      await plugins.configure("10-k8contivnet.conflist", ourConfiguration());
      return node;
    } catch (error) {
      await node[Symbol.asyncDispose]();
      throw error;
    }
  }

  get host(): ClusterHost {
    if (!this.#host) throw new Error(`${this.name} has no power`);
    return this.#host;
  }

  /** Boots it with what is on its disk: Open vSwitch, agent, containerd. */
  async powerOn(...agentFlags: string[]): Promise<void> {
    const { n, dir, fabrics, wireMtu, flags = [] } = this.#options;
    this.#host = await makeHost({ n, dir, file: FILE, flags, wireMtu, fabrics });
    await this.machine.boot();
    this.#host.agent.agentParent = this.machine.words;
    await this.#host.agent.start(...agentFlags);
    await this.containerd.start();
  }

  /** Ends everything on it at once; files stay. */
  async cutPower(): Promise<void> {
    await this.#host?.agent.stop("SIGKILL");
    await this.machine.cutPower();
    this.containerd.forget();
    await this.#host?.ovs.killVswitchd();
    await this.#host?.ovs.killOvsdb();
    await this.#host?.[Symbol.asyncDispose]();
    this.#host = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.cutPower();
    this.containerd.cri[Symbol.dispose]();
  }
}
