// bundle.ts OUTDIR: writes main.ts and all its imports as a few plain JavaScript files into OUTDIR.
// Lazy imports stay files of their own, so a face loads only what it uses. The output is reproducible: it
// does not depend on the paths of the checkout and of Deno's cache.

import { basename, fromFileUrl, join } from "@std/path";

const root = fromFileUrl(new URL("..", import.meta.url));

if (import.meta.main) {
  const [outdir] = Deno.args;
  if (!outdir) throw new Error("bundle.ts needs the folder to write to");
  const raw = await Deno.makeTempDir({ prefix: "k8contivnet-bundle-" });
  try {
    await bundle(raw);
    const files = plainNames(await readFolder(raw));
    lateRequire(files);
    checkThin(files, ["main.js", "exec.js", "cni.js"]);
    const proto = placeProtoFiles(files);
    await writeFolder(outdir, files);
    if (proto) await copyProtoFiles(join(outdir, "proto"));
  } finally {
    await Deno.remove(raw, { recursive: true });
  }
}

async function bundle(outdir: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--platform=deno", "--code-splitting", "--minify", `--outdir=${outdir}`]
      .concat("main.ts"),
    cwd: root,
    stdout: "null",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

async function readFolder(folder: string): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  for await (const { name } of Deno.readDir(folder)) {
    files.set(name, await Deno.readTextFile(join(folder, name)));
  }
  return files;
}

/**
 * Renames the files in the order in which main.js reaches them. The bundler's names have a hash that
 * depends on the path of the sources.
 */
export function plainNames(files: ReadonlyMap<string, string>): Map<string, string> {
  const names = new Map([["main.js", "main.js"]]);
  const taken = new Set(names.values());
  for (const old of names.keys()) { // grows during the iteration
    for (const [, next] of (files.get(old) ?? "").matchAll(/["'`]\.\/([\w.-]+\.js)["'`]/g)) {
      if (!next || names.has(next) || !files.has(next)) continue;
      const stem = next.replace(/-[A-Z0-9]{8}\.js$/, "");
      let name = `${stem}.js`;
      for (let n = 2; taken.has(name); n++) name = `${stem}${n}.js`;
      taken.add(name);
      names.set(next, name);
    }
  }
  const renamed = (text: string) =>
    text.replaceAll(/(["'`]\.\/)([\w.-]+\.js)(["'`])/g, (all, open, old, close) => {
      const name = names.get(old);
      return name ? `${open}${name}${close}` : all;
    });
  return new Map([...names].map(([old, name]) => [name, renamed(files.get(old) ?? "")]));
}

/**
 * Creates `require` only when it is called. The bundler creates it in a file that all faces share, and
 * loading Node's compatibility layer would cost each of them about 20 ms (Deno 2.9.6).
 */
export function lateRequire(files: Map<string, string>): void {
  const made = "__deno_internal_createRequire(import.meta.url)";
  const late = "((name)=>(globalThis.__k8cRequire??=process.getBuiltinModule('module')" +
    ".createRequire(import.meta.url))(name))";
  for (const [name, text] of files) {
    const bare = text.replace(
      /import\s*\{\s*createRequire as __deno_internal_createRequire\s*\}\s*from\s*"node:module";/,
      "",
    );
    if (bare === text) continue;
    if (!bare.includes(made)) throw new Error("the bundler creates its require in a new way");
    files.set(name, bare.replace(made, late));
  }
}

/** Throws if a face that a pod's setup waits for would load a `node:` module. */
export function checkThin(files: ReadonlyMap<string, string>, thin: readonly string[]): void {
  const reached = new Set(thin.filter((name) => files.has(name)));
  for (const name of reached) { // grows during the iteration
    const text = files.get(name) ?? "";
    for (const [, source = ""] of text.matchAll(/(?:\bfrom|\bimport)\s*"([^"]+)"/g)) {
      if (source.startsWith("node:")) throw new Error(`${name} loads ${source} at its start`);
      if (source.startsWith("./")) reached.add(source.slice(2));
    }
  }
}

/**
 * Lets etcd3 find its .proto files beside the bundle; reports whether the bundle has etcd3 at all. It
 * looks for them with __dirname, which a module does not have.
 */
export function placeProtoFiles(files: Map<string, string>): boolean {
  const original = "`${__dirname}/../proto/rpc.proto`";
  let found = 0;
  for (const [name, text] of files) {
    if (!text.includes(original)) continue;
    files.set(name, text.replace(original, "`${import.meta.dirname}/proto/rpc.proto`"));
    found++;
  }
  const uses = [...files.values()].some((text) => text.includes("rpc.proto"));
  if (uses && found !== 1) throw new Error("etcd3 looks for its .proto files in a new way");
  return found > 0;
}

async function copyProtoFiles(outdir: string): Promise<void> {
  const source = fromFileUrl(new URL("../proto", import.meta.resolve("etcd3")));
  await Deno.mkdir(outdir, { recursive: true });
  for await (const { name } of Deno.readDir(source)) {
    await Deno.copyFile(join(source, name), join(outdir, basename(name)));
  }
}

async function writeFolder(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  await Deno.mkdir(folder, { recursive: true });
  for (const [name, text] of files) await Deno.writeTextFile(join(folder, name), text);
}
