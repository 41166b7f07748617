// A simulated machine whose first process is a real systemd, in the network of the lab. Its disk is this
// machine's, and what it changes there is gone with it.

import { run } from "./run.ts";
import { type Ended, start } from "./one_file.ts";
import { randomHex } from "./pod.ts";
import { onlyChild } from "./server.ts";
import { waitFor } from "./wait.ts";

const BOOT = new URL("systemd_machine.sh", import.meta.url).pathname;
const HOUSE = new URL("../..", import.meta.url).pathname.replace(/\/$/, "");
const GROUP = "k8contivnet-systemd-";
const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** A booted machine; disposing of it cuts its power. */
export class SystemdMachine implements AsyncDisposable {
  readonly #dir: string;
  readonly #group: string;
  readonly #boot: Deno.ChildProcess;
  readonly #pid: number;

  private constructor(dir: string, group: string, boot: Deno.ChildProcess, pid: number) {
    this.#dir = dir;
    this.#group = group;
    this.#boot = boot;
    this.#pid = pid;
  }

  /** Boots; `folders` are the lab's, and seen by the machine as they are. */
  static async boot(...folders: string[]): Promise<SystemdMachine> {
    const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-systemd-" });
    const group = GROUP + randomHex(12);
    const boot = new Deno.Command("unshare", {
      args: [
        ...["--mount", "--propagation", "slave", "sh", "-c", 'exec "$@" >"$0" 2>&1', `${dir}/log`],
        ...[BOOT, dir, group, HOUSE, ...folders],
      ],
      ...{ stdin: "null", stdout: "null", stderr: "null" },
    }).spawn();
    const hasEnded = boot.status.then(() => true);
    const pid = await waitFor("systemd to be the machine's first process", async () => {
      const ended = await Promise.race([hasEnded, Promise.resolve(false)]);
      if (ended) throw new Error(`no systemd here: ${await Deno.readTextFile(`${dir}/log`)}`);
      const child = onlyChild(boot.pid);
      const name = child && await Deno.readTextFile(`/proc/${child}/comm`).catch(() => "");
      return name === "systemd\n" && child;
    });
    const machine = new SystemdMachine(dir, group, boot, pid);
    await waitFor("systemd to have booted", async () => {
      const { out } = await machine.run("systemctl is-system-running");
      return ["running", "degraded"].includes(out.trim());
    }, { limitMs: 30_000 });
    return machine;
  }

  /** Runs a shell script in the machine, in this project's folder; `words` are its arguments. */
  run(script: string, ...words: string[]): Promise<Ended> {
    return start(
      [
        ...[
          "nsenter",
          `--target=${this.#pid}`,
          "--mount",
          "--uts",
          "--ipc",
          "--pid",
          "--root",
          "--wd",
        ],
        ...["--", "sh", "-c", `cd ${HOUSE} && ${script}`, "sh", ...words],
      ],
      { env: { PATH, HOME: "/root" } },
    );
  }

  /** The same, of a script that succeeds; returns what it printed. */
  async sh(script: string, ...words: string[]): Promise<string> {
    const { code, out, err } = await this.run(`set -e; ${script}`, ...words);
    if (code !== 0) throw new Error(`${script}: ended with ${code}: ${out}${err}`);
    return out.trim();
  }

  /** Returns a property of a unit, as `systemctl show` prints it. */
  property(unit: string, name: string): Promise<string> {
    return this.sh(`systemctl show -p "$1" --value "$2"`, name, unit);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.kill(this.#pid, "SIGKILL");
    await this.#boot.status;
    const script = `mkdir -p "$1/cgroup"; mount -t cgroup2 cgroup2 "$1/cgroup"
      find "$1/cgroup/$2" -depth -type d -exec rmdir {} +`;
    const words = ["-m", "--propagation", "private", "sh", "-ec", script, "sh"];
    await waitFor(
      "the machine's control groups to be removable",
      () => run("unshare", [...words, this.#dir, this.#group]).then(() => true, () => false),
    );
    await Deno.remove(this.#dir, { recursive: true });
  }
}
