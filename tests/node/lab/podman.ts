// Podman on one machine, with the network backend that speaks CNI.

import { IMAGE } from "./image.ts";
import type { Machine } from "./machine.ts";
import type { Plugins } from "./plugins.ts";

/** A podman with storage and settings of its own. */
export class Podman {
  readonly #machine: Machine;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(machine: Machine, env: Readonly<Record<string, string>>) {
    this.#machine = machine;
    this.#env = env;
  }

  /** Prepares it with the image. */
  static async start(machine: Machine, plugins: Plugins, image: string): Promise<Podman> {
    const dir = `${machine.options.dir}/podman`;
    await Deno.mkdir(dir, { recursive: true });
    await Deno.writeTextFile(
      `${dir}/containers.conf`,
      `[containers]
cgroupns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[network]
cni_plugin_dirs = ["${plugins.bin}"]
network_backend = "cni"
network_config_dir = "${plugins.conf}"
`,
    );
    await Deno.writeTextFile(
      `${dir}/storage.conf`,
      `[storage]
driver = "overlay"
graphroot = "${dir}/graph"
runroot = "${dir}/run"
`,
    );
    const cache = Deno.env.get("K8CONTIVNET_CACHE");
    const podman = new Podman(machine, {
      CONTAINERS_CONF: `${dir}/containers.conf`,
      CONTAINERS_STORAGE_CONF: `${dir}/storage.conf`,
      ...cache === undefined ? {} : { K8CONTIVNET_CACHE: cache },
    });
    await podman.run("load", "--quiet", "--input", image);
    return podman;
  }

  /** Runs podman; returns its output. Throws with its message where it fails. */
  async run(...words: string[]): Promise<string> {
    const env = this.#env;
    const { code, out, err } = await this.#machine.run("podman", words, { env, limitMs: 120_000 });
    if (code !== 0) throw new Error(`podman ${words.join(" ")} ended with ${code}: ${err}`);
    return out;
  }

  /** Starts a container that sleeps, with more flags; returns its id. */
  create(name: string, ...flags: string[]): Promise<string> {
    return this.run("run", "--detach", `--name=${name}`, ...flags, IMAGE);
  }

  /** Reports whether a ping from a container is answered. */
  async pings(container: string, address: string): Promise<boolean> {
    return await this.run("exec", container, "ping", "-c1", "-W5", "-q", address)
      .then(() => true, () => false);
  }
}
