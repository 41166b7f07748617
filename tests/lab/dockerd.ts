// A private Docker: containerd and dockerd without bridge and iptables, for use inside in_lab.sh.

import { mountCgroups, removeCgroups } from "./cgroups.ts";
import { freezeProcess } from "./freeze.ts";
import { run } from "./run.ts";
import { type Server, startServer } from "./server.ts";
import { hangSignal } from "./limits.ts";

// All of the machine's labs share its cgroups: what is ours is below this one, and removed.
const CGROUP_PARENT = "k8contivnet-lab";
const IMAGE = "k8contivnet-lab";

/** Starts containerd and dockerd in `dir` (made if missing) with one small image in it. */
export async function startDockerd(dir: string): Promise<Dockerd> {
  await Deno.mkdir(dir, { recursive: true });
  await mountCgroups();
  const dockerd = new Dockerd(dir);
  try {
    await dockerd.start();
    await dockerd.importImage();
    return dockerd;
  } catch (error) {
    await dockerd.stop();
    throw error;
  }
}

/** A running Docker; dockerd can be killed and started again while its containers stay. */
export class Dockerd implements AsyncDisposable {
  /** Path of its socket. */
  readonly socket: string;
  /** The same as the agent's `--docker` wants it. */
  readonly address: string;
  readonly #dir: string;
  #containerd: Server | undefined;
  #dockerd: Server | undefined;

  /** Names the places of a Docker; `startDockerd` is what starts one. */
  constructor(dir: string) {
    this.#dir = dir;
    this.socket = `${dir}/docker.sock`;
    this.address = `unix:${this.socket}`;
  }

  /** Starts what is down of the two and returns when Docker answers. */
  async start(): Promise<void> {
    this.#containerd ??= await this.#startContainerd();
    this.#dockerd ??= await this.#startDockerd();
  }

  /** Imports the image that `runContainer` starts: busybox and nothing else. */
  async importImage(): Promise<void> {
    const file = `${this.#dir}/image.tar`;
    await run("tar", ["-C", "/", "-cf", file, "bin/busybox"]);
    await this.docker("import", "-c", 'CMD ["/bin/busybox","sleep","100000"]', file, IMAGE);
  }

  /** Runs the docker client on this daemon; returns its output. */
  docker(...words: string[]): Promise<string> {
    return run("docker", ["-H", `unix://${this.socket}`, ...words], { limitMs: 30_000 });
  }

  /** Starts a container without network, or as `words` (flags of docker run) say; returns its id. */
  async runContainer(...words: string[]): Promise<string> {
    const network = words.some((word) => /^--net(work)?=/.test(word)) ? [] : ["--net=none"];
    return await this.docker("run", "--detach", ...network, ...words, IMAGE);
  }

  /** Kills dockerd with SIGKILL; its containers stay. */
  async kill(): Promise<void> {
    await this.#dockerd?.kill();
    this.#dockerd = undefined;
  }

  /** Stops dockerd where it stands, by SIGSTOP: it takes connections and never answers. */
  freeze(): void {
    if (this.#dockerd) freezeProcess(this.#dockerd.pid);
  }

  /** Lets a frozen dockerd go on. */
  thaw(): void {
    if (this.#dockerd) Deno.kill(this.#dockerd.pid, "SIGCONT");
  }

  /** Removes the containers and ends both by their pids. Repeatable. */
  async stop(): Promise<void> {
    if (this.#dockerd) {
      this.thaw();
      const ids = (await this.docker("ps", "-aq")).split("\n").filter((id) => id !== "");
      if (ids.length > 0) await this.docker("rm", "-f", ...ids);
    }
    await this.#dockerd?.stop();
    await this.#containerd?.stop();
    this.#dockerd = this.#containerd = undefined;
    await unmountBelow(this.#dir);
    await removeCgroups(CGROUP_PARENT);
  }

  /** Stops, so that `await using` cleans up. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #startContainerd(): Promise<Server> {
    const dir = this.#dir;
    const config = `version = 2
root = "${dir}/containerd"
state = "${dir}/containerd-state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
  address = "${dir}/containerd.sock"
`;
    await Deno.writeTextFile(`${dir}/containerd.toml`, config);
    return await startServer({
      command: "containerd",
      args: ["--config", `${dir}/containerd.toml`, "--log-level", "warn"],
      log: `${dir}/containerd.log`,
      isUp: () => exists(`${dir}/containerd.sock`),
    });
  }

  async #startDockerd(): Promise<Server> {
    const dir = this.#dir;
    // Left by a kill, this file stops the start wherever its process id exists again.
    await Deno.remove(`${dir}/docker.pid`).catch(() => {});
    return await startServer({
      command: "dockerd",
      args: [
        ...["-H", `unix://${this.socket}`, "--containerd", `${dir}/containerd.sock`],
        ...["--data-root", `${dir}/data`, "--exec-root", `${dir}/exec`],
        ...["--pidfile", `${dir}/docker.pid`, "--cgroup-parent", `/${CGROUP_PARENT}`],
        ...["--exec-opt", "native.cgroupdriver=cgroupfs"],
        ...["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"],
        ...["--ip-masq=false", "--userland-proxy=false", "--live-restore"],
      ],
      log: `${dir}/dockerd.log`,
      isUp: () => answersPing(this.socket),
      limitMs: 30_000,
    });
  }
}

// dockerd leaves the namespace file of host network containers mounted.
async function unmountBelow(dir: string): Promise<void> {
  const places = (await Deno.readTextFile("/proc/self/mounts")).split("\n")
    .map((line) => line.split(" ")[1] ?? "").filter((place) => place.startsWith(`${dir}/`));
  if (places.length > 0) await run("umount", ["-l", ...places.reverse()]);
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

async function answersPing(path: string): Promise<boolean> {
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  const signal = hangSignal(1_000);
  try {
    return (await (await fetch("http://localhost/_ping", { client, signal })).text()) === "OK";
  } catch {
    return false;
  }
}
