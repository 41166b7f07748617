// One container image for all containers of node tests: busybox, and programs that a test names.

import { run } from "../../lab/run.ts";

/** The image's name; it sleeps unless a container says otherwise. */
export const IMAGE = "localhost/k8contivnet:1";

/** Writes the image as a file that containerd and podman import, with programs of this machine; returns its path. */
export async function makeImage(dir: string, programs: readonly string[] = []): Promise<string> {
  const [root, parts] = [`${dir}/image-root`, `${dir}/image`];
  for (const folder of ["bin", "etc", "tmp", "proc", "sys", "dev"]) {
    await Deno.mkdir(`${root}/${folder}`, { recursive: true });
  }
  await Deno.mkdir(parts);
  await Deno.copyFile("/bin/busybox", `${root}/bin/busybox`);
  const applets = (await run("busybox", ["--list"])).split("\n");
  for (const name of applets.filter((name) => name !== "busybox")) {
    await Deno.symlink("busybox", `${root}/bin/${name}`);
  }
  await Deno.writeTextFile(`${root}/etc/passwd`, "root:x:0:0:root:/:/bin/sh\n");
  for (const program of programs) await copyProgram(program, root);
  await run("tar", ["-C", root, "--owner=0", "--group=0", "-cf", `${parts}/layer.tar`, "."]);
  const layer = await Deno.readFile(`${parts}/layer.tar`);
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", layer)).toHex();
  await writeJson(`${parts}/config.json`, {
    architecture: Deno.build.arch === "aarch64" ? "arm64" : "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["/bin/sleep", "2000000000"] },
    rootfs: { type: "layers", "diff_ids": [`sha256:${sum}`] },
  });
  await writeJson(`${parts}/manifest.json`, [
    { Config: "config.json", RepoTags: [IMAGE], Layers: ["layer.tar"] },
  ]);
  const file = `${dir}/image.tar`;
  await run("tar", ["-C", parts, "-cf", file, "manifest.json", "config.json", "layer.tar"]);
  await Promise.all([root, parts].map((folder) => Deno.remove(folder, { recursive: true })));
  return file;
}

/** Copies a program and its libraries into the same places below `root`. */
async function copyProgram(program: string, root: string): Promise<void> {
  const libraries = [...(await run("ldd", [program])).matchAll(/(\/\S+) \(0x/g)];
  for (const path of [program, ...libraries.map(([, path]) => path ?? "")]) {
    await Deno.mkdir(`${root}${path.slice(0, path.lastIndexOf("/"))}`, { recursive: true });
    await Deno.copyFile(path, `${root}${path}`);
  }
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, JSON.stringify(value));
}
