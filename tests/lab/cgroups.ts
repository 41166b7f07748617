// Control groups in the lab, whose /sys has none mounted. All labs share those of the machine: whoever
// makes one removes it.

import { run } from "./run.ts";

const CGROUPS = "/sys/fs/cgroup";

/** Mounts the machine's control groups, of version 1 or 2, unless they are mounted. */
export async function mountCgroups(): Promise<void> {
  if ((await namesIn(CGROUPS)).length > 0) return;
  // Lines are `ID:CONTROLLERS:PATH`; version 2 has no controllers in them.
  const lines = (await Deno.readTextFile("/proc/self/cgroup")).trim().split("\n");
  const controllers = lines.map((line) => line.split(":")[1] ?? "").filter((one) => one !== "");
  if (controllers.length === 0) {
    await run("mount", ["-t", "cgroup2", "cgroup2", CGROUPS]);
    return;
  }
  await run("mount", ["-t", "tmpfs", "-o", "mode=755", "cgroup", CGROUPS]);
  for (const one of controllers) {
    const name = one.replace(/^name=/, "");
    await Deno.mkdir(`${CGROUPS}/${name}`);
    const option = one === name ? one : `none,${one}`;
    await run("mount", ["-t", "cgroup", "-o", option, "cgroup", `${CGROUPS}/${name}`]);
  }
}

/** Returns the folders below which the control groups named `name` are: one, or one per controller. */
export async function cgroupRoots(): Promise<string[]> {
  const names = await namesIn(CGROUPS);
  if (names.includes("cgroup.procs")) return [CGROUPS];
  return names.map((name) => `${CGROUPS}/${name}`);
}

/** Removes the control groups named `name` with those in them; those with processes stay. */
export async function removeCgroups(name: string): Promise<void> {
  for (const root of await cgroupRoots()) {
    // Another lab's containers keep it busy: then it is theirs to remove.
    await removeFolders(`${root}/${name}`).catch(() => {});
  }
}

/** Reports whether a control group, or one in it, has a process. */
export async function hasProcesses(path: string): Promise<boolean> {
  const procs = await Deno.readTextFile(`${path}/cgroup.procs`).catch(() => "");
  if (procs.trim() !== "") return true;
  for (const { name, isDirectory } of await Array.fromAsync(Deno.readDir(path)).catch(() => [])) {
    if (isDirectory && await hasProcesses(`${path}/${name}`)) return true;
  }
  return false;
}

// The files of a cgroup cannot be removed, only its folders, the innermost first.
async function removeFolders(path: string): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(path)) {
    if (isDirectory) await removeFolders(`${path}/${name}`);
  }
  await Deno.remove(path);
}

/** Returns the names in a folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name);
}
