// Variants of the one file for tests: the real launcher of dist/k8contivnet with a payload of its own,
// so that what the launcher does can be seen without waiting for 100 MB to be unpacked.

import { run } from "./run.ts";
import { hangSignal } from "./limits.ts";
import { removeFolder } from "./remove_folder.ts";

/** Bytes of the header, which is the launcher; build.sh fills it up to this. */
export const HEADER_SIZE = 81_920;

/** The built file. */
export const DIST = new URL("../../dist/k8contivnet", import.meta.url).pathname;

/** Returns the header of the built file, a character for each byte. */
export async function readHeader(): Promise<string> {
  using file = await Deno.open(DIST);
  const bytes = new Uint8Array(HEADER_SIZE);
  for (let done = 0; done < HEADER_SIZE;) {
    const count = await file.read(bytes.subarray(done));
    if (count === null) throw new Error(`${DIST} is shorter than its header`);
    done += count;
  }
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Returns the words by which `shell` starts the program of `file` as the launcher does, without asking an agent. */
export async function unpackWords(shell: readonly string[], file: string): Promise<string[]> {
  const text = await Deno.readFile(file);
  const header = new TextDecoder().decode(text.subarray(0, HEADER_SIZE));
  const script = /^# unpack[.]sh:[^\0]*/m.exec(header.slice(header.indexOf("# unpack.sh:")))?.[0];
  if (!script) throw new Error(`${file} has no script`);
  return [...shell, "-c", script, file];
}

/** Returns the name of the folder that the header with `text` unpacks into. */
export function keyOf(text: string): string {
  const key = /^k8c_key=([0-9a-f]{16})$/m.exec(text)?.[1];
  if (!key) throw new Error("the header names no key");
  return key;
}

/** Name of the unpacked executable: Deno with the bundle beside it, or the compiled program. */
export async function programName(): Promise<string> {
  return (await readHeader()).includes('exec "$k8c_dir/deno"') ? "deno" : "k8contivnet";
}

/**
 * Writes a one file whose program is `script`, a shell script that sees the caller's words as its
 * own. `probe` is what it does when it is tried after unpacking.
 */
export async function writeVariant(
  path: string,
  script: string,
  probe = "exit 0",
): Promise<{ key: string }> {
  const stage = await Deno.makeTempDir({ prefix: "k8contivnet-stage-" });
  const text = `#!/bin/sh
case "$*" in --version | help) ${probe} ;; esac
if [ "$1" = run ]; then while [ "\${1%/main.js}" = "$1" ]; do shift; done; shift; fi
${script}
`;
  try {
    await Deno.mkdir(`${stage}/in/app`, { recursive: true });
    await Deno.writeTextFile(`${stage}/in/${await programName()}`, text, { mode: 0o700 });
    await Deno.writeTextFile(`${stage}/in/app/main.js`, "");
    await run("tar", ["-czf", `${stage}/payload`, "-C", `${stage}/in`, "."]);
    const payload = await Deno.readFile(`${stage}/payload`);
    const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", payload)).toHex();
    await writeFile(path, await headerFor(sum), payload);
    return { key: sum.slice(0, 16) };
  } finally {
    await Deno.remove(stage, { recursive: true });
  }
}

/** Writes the built file as of another version, which does the same; `version` has five characters, as 0.0.9. */
export async function writeOtherVersion(path: string, version: string): Promise<void> {
  const header = (await readHeader())
    .replace(/^(# k8contivnet )\d\.\d\.\d(?=, one file: )/m, `$1${version}`);
  await writeFile(path, header, (await Deno.readFile(DIST)).subarray(HEADER_SIZE));
}

async function headerFor(sum: string): Promise<string> {
  const real = await readHeader();
  const realSum = /= ([0-9a-f]{64}) \]/.exec(real)?.[1];
  if (!realSum) throw new Error("the header names no checksum");
  return real.replaceAll(realSum, sum).replaceAll(keyOf(real), sum.slice(0, 16));
}

async function writeFile(path: string, header: string, payload: Uint8Array): Promise<void> {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  bytes.set(Uint8Array.from(header, (char) => char.charCodeAt(0)));
  bytes.set(payload, HEADER_SIZE);
  await Deno.writeFile(`${path}.new`, bytes, { mode: 0o755 });
  await Deno.rename(`${path}.new`, path);
}

/** How one start ended. */
export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `words` with nothing but `env` and returns how it ended; killed after 60 s. */
export async function start(
  words: readonly string[],
  { env = {}, cwd = "/", stdin = "", uid }: {
    readonly env?: Record<string, string>;
    readonly cwd?: string;
    readonly stdin?: string;
    readonly uid?: number;
  } = {},
): Promise<Ended> {
  const [command = "", ...args] = words;
  const child = new Deno.Command(command, {
    args,
    env,
    cwd,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: hangSignal(60_000),
    ...(uid === undefined ? {} : { uid, gid: uid }),
  }).spawn();
  return await feed(child, stdin);
}

/** Passes `stdin` to a process with three pipes, and returns how it ended. */
export async function feed(child: Deno.ChildProcess, stdin: string): Promise<Ended> {
  const writer = child.stdin.getWriter();
  const fed = writer.write(new TextEncoder().encode(stdin)).then(() => writer.close());
  const [{ code, stdout, stderr }] = await Promise.all([child.output(), fed.catch(() => {})]);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

/** Returns each file and folder below `folder` as `mode path`, sorted. */
export async function listTree(folder: string): Promise<string[]> {
  const text = await run("find", [folder, "-mindepth", "1", "-printf", "%m %P\n"]);
  return text.split("\n").filter((line) => line !== "").sort();
}

/** Runs `script` by sh -e in a mount namespace of its own, `$1`, `$2`, … being `words`. */
export function mounted(script: string, ...words: string[]): Promise<Ended> {
  return start(["/usr/bin/unshare", "--mount", "/bin/sh", "-ec", script, "sh", ...words], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
  });
}

/** A folder for one test, as text its path, removed at the end. */
export async function tempDir(): Promise<AsyncDisposable & { toString(): string }> {
  const path = await Deno.makeTempDir({ prefix: "k8contivnet-file-" });
  return {
    toString: () => path,
    [Symbol.asyncDispose]: () => removeFolder(path),
  };
}
