// A simulated machine on a host of the lab: mount, process, name, IPC and control group namespaces around
// the host's network namespace. What a container runtime or a kubelet mounts, writes and starts stays in
// it; the end of its first process is a power cut.

import {
  cgroupRoots,
  hasProcesses,
  mountCgroups,
  namesIn,
  removeCgroups,
} from "../../lab/cgroups.ts";
import { randomHex } from "../../lab/pod.ts";
import { type Server, startServer } from "../../lab/server.ts";
import { waitFor } from "../../lab/wait.ts";
import { hangSignal } from "../../lab/limits.ts";

const BOOT = new URL("machine.sh", import.meta.url).pathname;
const CGROUP = "k8contivnet-node-";
const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
// The shell that enters the machine's control groups and becomes what is started.
const ENTER = `
if [ -e /sys/fs/cgroup/init/cgroup.procs ]; then
  echo $$ >/sys/fs/cgroup/init/cgroup.procs
else
  for file in /sys/fs/cgroup/*/cgroup.procs; do echo $$ >"$file"; done
fi
cd /
exec "$@"`;
// A group that is this old and has no process belongs to nobody.
const ABANDONED_MS = 60_000;

/** Where a machine is. */
export interface MachineOptions {
  /** Its host name. */
  readonly name: string;
  /** Named network namespace of its host. */
  readonly netns: string;
  /** Folder of its disk: what is in it outlives a power cut. */
  readonly dir: string;
}

/** How a command in the machine ended. */
export interface MachineEnded {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** What is started in a machine, beside its words. */
export interface MachineServer {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment beside PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly isUp: () => boolean | Promise<boolean>;
  readonly limitMs?: number;
}

/** A machine that can be booted, cut off and booted again. */
export class Machine implements AsyncDisposable {
  readonly options: MachineOptions;
  #cgroup = "";
  #boot: Deno.ChildProcess | undefined;
  #pid = 0;

  constructor(options: MachineOptions) {
    this.options = options;
  }

  /** Boots; returns when its mounts are there. */
  async boot(): Promise<void> {
    const { name, netns, dir } = this.options;
    await Deno.mkdir(dir, { recursive: true });
    await Deno.remove(`${dir}/up`).catch(() => {});
    await mountCgroups();
    await removeAbandoned();
    this.#cgroup = CGROUP + randomHex(12);
    const enter = await makeCgroups(this.#cgroup);
    const namespaces = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"];
    this.#boot = new Deno.Command("sh", {
      args: [
        ...["-ec", `log=$1; shift; ${enter}\nexec "$@" >"$log" 2>&1`, "boot", `${dir}/boot.log`],
        ...["nsenter", `--net=/run/netns/${netns}`, "--", "unshare", ...namespaces],
        ...["--mount-proc", "--propagation", "private", BOOT, dir, name],
      ],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
    let hasEnded = false;
    this.#boot.status.then(() => {
      hasEnded = true;
      if (this.#pid === 0) this.#boot = undefined; // there is nothing to cut off
    });
    await waitFor(`machine ${name} to boot`, async () => {
      if (hasEnded) {
        throw new Error(`boot of ${name}: ${await Deno.readTextFile(`${dir}/boot.log`)}`);
      }
      return await Deno.lstat(`${dir}/up`).then(() => true, () => false);
    });
    const { pid } = this.#boot;
    const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
    this.#pid = Number(children);
    if (!(this.#pid > 0)) throw new Error(`machine ${name} has no first process: "${children}"`);
  }

  /** Starts a server in the machine with a new environment. */
  async start({ name, command, args, env = {}, ...options }: MachineServer): Promise<Server> {
    return await startServer({
      ...options,
      command: "env",
      args: ["-i", ...assignments(env), command, ...args],
      parent: this.words,
      log: `${this.options.dir}/${name}.log`,
    });
  }

  /** Runs a command in the machine. */
  async run(
    command: string,
    args: readonly string[] = [],
    { env = {}, limitMs = 60_000 }: {
      readonly env?: Readonly<Record<string, string>>;
      readonly limitMs?: number;
    } = {},
  ): Promise<MachineEnded> {
    const [first = "", ...words] = this.words;
    const { code, stdout, stderr } = await new Deno.Command(first, {
      args: [...words, "env", "-i", ...assignments(env), command, ...args],
      stdin: "null",
      signal: hangSignal(limitMs),
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout).trimEnd(), err: decoder.decode(stderr).trimEnd() };
  }

  /** Runs a shell script in the machine; throws where it fails. Returns its output. */
  async sh(script: string, ...words: string[]): Promise<string> {
    const { code, out, err } = await this.run("sh", ["-ec", script, "sh", ...words]);
    if (code !== 0) throw new Error(`${script}: ended with ${code}: ${err}`);
    return out;
  }

  /** Returns the names of the network namespaces that its runtime has made. */
  async sandboxes(): Promise<string[]> {
    return (await this.sh("ls /run/netns")).split("\n").filter((name) =>
      name !== "" && !name.startsWith("k8contivnet-")
    ).sort();
  }

  /** Ends all that runs in it at once, as a power cut does. Repeatable. */
  async cutPower(): Promise<void> {
    if (!this.#boot) return;
    // 0 would be this process's own group.
    if (this.#pid > 0) Deno.kill(this.#pid, "SIGKILL");
    else this.#boot.kill("SIGKILL");
    await this.#boot.status;
    this.#boot = undefined;
    this.#pid = 0;
    await waitFor("the control groups to be removable", async () => {
      await removeCgroups(this.#cgroup);
      const names = await Promise.all((await cgroupRoots()).map(namesIn));
      return !names.flat().includes(this.#cgroup);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.cutPower();
  }

  /** Words that run what follows them in the machine, as their only child. */
  get words(): readonly string[] {
    // Its root, too: that of its mount namespace is another one where all of this runs in a chroot.
    const namespaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root"];
    return ["nsenter", `--target=${this.#pid}`, ...namespaces, "--", "sh", "-ec", ENTER, "enter"];
  }
}

function assignments(env: Readonly<Record<string, string>>): string[] {
  const all = { PATH, HOME: "/root", ...env };
  return Object.entries(all).map(([name, value]) => `${name}=${value}`);
}

/** Makes a machine's control groups; returns the script by which a shell enters them. */
async function makeCgroups(name: string): Promise<string> {
  const lines: string[] = [];
  for (const root of await cgroupRoots()) {
    const group = `${root}/${name}`;
    await Deno.mkdir(group);
    for (const file of ["cpuset.cpus", "cpuset.mems"]) {
      const value = await Deno.readTextFile(`${root}/${file}`).catch(() => "");
      // Version 1 has them empty in a new group, and takes no process then.
      if (value.trim() !== "") await Deno.writeTextFile(`${group}/${file}`, value).catch(() => {});
    }
    lines.push(`echo $$ >${group}/cgroup.procs`);
  }
  return lines.join("\n");
}

/** Removes what a lab left that was killed. */
async function removeAbandoned(): Promise<void> {
  const now = Date.now();
  for (const root of await cgroupRoots()) {
    for (const name of (await namesIn(root)).filter((one) => one.startsWith(CGROUP))) {
      const made = (await Deno.stat(`${root}/${name}`).catch(() => undefined))?.mtime?.getTime();
      if (made === undefined || now - made < ABANDONED_MS) continue;
      if (!await hasProcesses(`${root}/${name}`)) await removeCgroups(name);
    }
  }
}
