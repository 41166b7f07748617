// A Debian root for package tests: this machine's, of which all changes stay in a folder of memory, where they can
// be listed. It ends with its disposal.

import { run } from "./run.ts";
import { type Ended, start } from "./one_file.ts";

// A device 0 hides what is or comes below it: an agent of this machine may make these folders meanwhile.
const PREPARE = `mkdir "$1/changed" "$1/work" "$1/root"
for folder in var/lib var/cache etc; do
  mkdir -p "$1/changed/$folder"
  mknod "$1/changed/$folder/k8contivnet" c 0 0
done
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changed,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mount --bind /dev "$1/root/dev"
mkdir -p "$1/root/tmp/packages"
mount --bind "$2" "$1/root/tmp/packages"`;

/** A root whose changes are seen. */
export class DebianRoot implements AsyncDisposable {
  readonly #dir: string;
  #before: readonly string[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** Makes one; it sees the folder `packages` as /tmp/packages. */
  static async make(packages: string): Promise<DebianRoot> {
    const dir = await Deno.makeTempDir({ dir: "/run", prefix: "k8contivnet-debian-" });
    await run("sh", ["-ec", PREPARE, "sh", dir, packages]);
    const root = new DebianRoot(dir);
    root.#before = await root.changes(); // what an agent has left on this machine
    return root;
  }

  /** Runs a shell script in it. */
  run(script: string, ...words: string[]): Promise<Ended> {
    return start(["chroot", `${this.#dir}/root`, "sh", "-c", script, "sh", ...words], {
      env: {
        ...{ PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C" },
        DEBIAN_FRONTEND: "noninteractive",
      },
    });
  }

  /** The same, of a script that succeeds; returns what it printed. */
  async sh(script: string, ...words: string[]): Promise<string> {
    const { code, out, err } = await this.run(`set -e; ${script}`, ...words);
    if (code !== 0) throw new Error(`${script}: ended with ${code}: ${out}${err}`);
    return out.trim();
  }

  /**
   * Returns what it has that it had not when it was made, as `KIND MODE PATH TARGET`, and `-` with the path of what is gone,
   * without what dpkg and its logs keep for themselves.
   */
  async changes(): Promise<string[]> {
    const folder = `${this.#dir}/changed`;
    const text = await run("find", [folder, "-mindepth", "1", "-printf", "%y %m %P %l\n"]);
    const lines: string[] = [];
    for (const line of text.split("\n").map((one) => one.trim())) {
      const [kind, , path = ""] = line.split(" ");
      if (
        path === "" ||
        /^(var\/(lib\/dpkg|log|cache\/(debconf|ldconfig|man))|tmp|run)(\/|$)/.test(path)
      ) continue;
      // A character device stands for what was removed: a file, or a package's folder that
      // became empty, which dpkg removes whoever made it.
      if (kind === "c" && await hasFiles(`/${path}`)) lines.push(`- ${path}`);
      else if (kind === "c") continue;
      else if (kind !== "d" || !await isFolder(`/${path}`)) lines.push(line);
    }
    return lines.filter((line) => !this.#before.includes(line)).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const script = `umount -R "$1/root" && rm -rf "$1"`;
    await run("sh", ["-ec", script, "sh", this.#dir]);
  }
}

/** Reports whether this machine has a file at a path or below it. */
async function hasFiles(path: string): Promise<boolean> {
  if (!await isFolder(path)) return await Deno.lstat(path).then(() => true, () => false);
  return await run("find", [path, "!", "-type", "d", "-print", "-quit"]) !== "";
}

async function isFolder(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(({ isDirectory }) => isDirectory, () => false);
}
