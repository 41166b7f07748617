// One node: a host of the lab with its Open vSwitch and agent, and on it a machine with containerd.

import { type ClusterHost, makeHost } from "../../lab/cluster/host.ts";
import { type Fabrics, MANAGEMENT_ADDRESS } from "../../lab/cluster/fabric.ts";
import { FILE } from "../../lab/host.ts";
import { run } from "../../lab/run.ts";
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
  /** `pod`: nothing of ours is here; the agent comes as a pod, with what it installs. @default "process" */
  readonly agent?: "process" | "pod";
}

// Puts the node's folders of CNI plugins $1 and configurations $2, its Open vSwitch's folder $3 and a cache where
// they usually are; $4 is its disk. Its mounts propagate to containers, as under systemd.
const USUAL_PLACES = `mount --make-rshared /
mount -t tmpfs tmpfs /opt
mkdir -p "$4/etc/changed" "$4/etc/work" /opt/cni/bin
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$4/etc/changed,workdir=$4/etc/work" /etc
mkdir -p /etc/cni/net.d
mount --bind "$1" /opt/cni/bin
mount --bind "$2" /etc/cni/net.d
mkdir -p /run/openvswitch /run/k8contivnet
mount --bind "$3" /run/openvswitch
mount -t tmpfs tmpfs /run/k8contivnet
mount -t tmpfs tmpfs /var/cache
mkdir /var/cache/k8contivnet
[ ! -d /run/k8contivnet-cache ] || mount --bind /run/k8contivnet-cache /var/cache/k8contivnet`;

/** A node that can be cut off its power and booted again. */
export class LabNode implements AsyncDisposable {
  readonly name: string;
  readonly machine: Machine;
  readonly containerd: Containerd;
  readonly plugins: Plugins;
  readonly #options: LabNodeOptions;
  #host: ClusterHost | undefined;

  private constructor(options: LabNodeOptions, plugins: Plugins) {
    const { n, dir, image, containerd, agent } = options;
    this.#options = options;
    const socket = agent === "pod" ? "/run/k8contivnet/agent.sock" : `${dir}/agent/agent.sock`;
    this.name = `host${n}`;
    this.plugins = plugins;
    this.machine = new Machine({ name: this.name, netns: `h${n}`, dir: `${dir}/machine` });
    this.containerd = new Containerd({
      ...{ machine: this.machine, plugins, image, socket },
      ...containerd === undefined ? {} : { command: containerd },
    });
  }

  /** Makes a node and boots it, with our configuration; its agent and containerd run then. */
  static async start(options: LabNodeOptions, ...agentFlags: string[]): Promise<LabNode> {
    await Deno.mkdir(options.dir, { recursive: true });
    const plugins = await Plugins.make(`${options.dir}/cni`, options.plugins);
    const node = new LabNode(options, plugins);
    try {
      if (options.agent === "pod") await Deno.remove(`${plugins.bin}/k8contivnet`);
      await node.powerOn(...agentFlags);
      if (options.agent !== "pod") {
        await plugins.configure("10-k8contivnet.conflist", ourConfiguration());
      }
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
    if (this.#options.agent === "pod") {
      const { bin, conf } = this.plugins;
      await this.machine.sh(USUAL_PLACES, bin, conf, this.#host.ovs.rundir, dir);
      // The way to services, as on most nodes: what is sent there is sent to a backend instead.
      await run("ip", [
        "-n",
        this.#host.netns,
        "route",
        "add",
        "default",
        "via",
        MANAGEMENT_ADDRESS,
      ]);
    } else {
      this.#host.agent.agentParent = this.machine.words;
      await this.#host.agent.start(...agentFlags);
    }
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
