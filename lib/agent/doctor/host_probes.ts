// What the doctor asks of the kernel, of processes and of files' contents, beside what a driver of ours asks. Deno does
// not let a program read /proc; commands beside those in .ci/permissions are started by `nsenter` without a namespace.

import { createHash } from "node:crypto";
import { connect } from "node:tls";
import { proxyFor } from "../../util/http_clients.ts";
import { withDeadline } from "../../util/async/deadline.ts";
import { Fault } from "../../util/errors.ts";
import { run } from "../../util/run.ts";

/** Files that a process has open, and how many it may have. */
export interface OpenFiles {
  readonly used: number;
  readonly most: number;
}

/** Every call ends within its limit. */
export interface HostProbes {
  /** Returns which of these kinds of links the kernel cannot make; tries it in a network namespace that ends with the try. */
  readonly missingLinkKinds: (kinds: readonly string[]) => Promise<string[]>;
  /** Returns settings of the kernel by their path below /proc/sys; one that it does not have is left out. */
  readonly kernelSettings: (keys: readonly string[]) => Promise<Readonly<Record<string, string>>>;
  /** Returns undefined for a process that does not run. `pidFile` is the path of a file with its number. */
  readonly openFiles: (
    process: number | { readonly pidFile: string },
  ) => Promise<OpenFiles | undefined>;
  /** Returns files that all processes have open, and how many they may have. */
  readonly allOpenFiles: () => Promise<OpenFiles>;
  /** Returns the words of each process whose command has this name. */
  readonly processes: (name: string) => Promise<string[][]>;
  /** Follows a folder for a moment. Faults: failed, if the kernel's limits are reached. */
  readonly tryWatching: (folder: string) => Promise<void>;
  /** Returns where a link leads; undefined if the path is not a link. */
  readonly linkTarget: (path: string) => Promise<string | undefined>;
  /** Returns the first bytes of a file. Faults: failed. */
  readonly head: (path: string, bytes: number) => Promise<string>;
  /** Returns the SHA-256 of a file from a byte on (from 0). Faults: failed, timeout. */
  readonly checksum: (path: string, from: number) => Promise<string>;
  /** Returns the end of the certificate by which `HOST:PORT` serves; undefined if it shows none. */
  readonly certificateEnd: (endpoint: string) => Promise<Date | undefined>;
}

/** Returns those of this machine. */
export function hostProbes(limitMs: number): HostProbes {
  const shell = (script: string, ...args: readonly string[]) =>
    run("nsenter", ["--", "env", "LC_ALL=C", "sh", "-c", script, "sh", ...args], { limitMs });
  const ask = async (script: string, ...args: readonly string[]) =>
    (await shell(script, ...args)).split("\n").filter((line) => line !== "");
  return {
    missingLinkKinds: (kinds) => ask(LINK_KINDS, ...kinds),
    kernelSettings: async (keys) =>
      Object.fromEntries((await ask(SETTINGS, ...keys)).map((line) => {
        const at = line.indexOf("=");
        return [line.slice(0, at), line.slice(at + 1)];
      })),
    openFiles: async (process) => {
      const words = typeof process === "number" ? [String(process)] : ["", process.pidFile];
      const [used, most] = (await ask(OPEN_FILES, ...words)).map(Number);
      return used === undefined || most === undefined ? undefined : { used, most };
    },
    allOpenFiles: async () => {
      const [used = 0, , most = 0] = (await shell("cat /proc/sys/fs/file-nr")).split(/\s+/)
        .map(Number);
      return { used, most };
    },
    processes: async (name) =>
      (await ask(PROCESSES, name)).map((line) => line.split("\x01").filter((word) => word !== "")),
    tryWatching: (folder) => {
      Deno.watchFs(folder, { recursive: false }).close();
      return Promise.resolve();
    },
    linkTarget: (path) => Deno.readLink(path).catch(() => undefined),
    head: readHead,
    checksum: (path, from) => checksumOf(path, from, limitMs),
    certificateEnd: (endpoint) => certificateEnd(endpoint, limitMs),
  };
}

// Prints the kinds that cannot be made. macvlan needs a link below it; VXLAN an address or a link.
const LINK_KINDS = `exec unshare --net sh -c '
  ip link add below type veth peer name other || echo veth
  for kind; do
    case $kind in
      macvlan) ip link add link below name tried type macvlan mode private ;;
      vxlan) ip link add tried type vxlan id 1 dstport 4789 dev below ;;
    esac || echo "$kind"
    ip link del tried 2>/dev/null
  done 2>/dev/null
  :' sh "$@"`;

const SETTINGS = `
  for key; do
    [ -r "/proc/sys/$key" ] && printf '%s=%s\\n' "$key" "$(cat "/proc/sys/$key")"
  done
  :`;

// $1 is a process id, or $2 a file that has it.
const OPEN_FILES = `
  pid=$1
  [ -n "$pid" ] || read -r pid <"$2"
  [ -d "/proc/$pid/fd" ] || exit 0
  ls "/proc/$pid/fd" | wc -l
  while read -r word more; do
    case "$word $more" in "Max open files"*) set -- $more && echo "$3" ;; esac
  done <"/proc/$pid/limits" || :`;

// One line for each process, its words apart by \\001.
const PROCESSES = `
  for file in $(grep -lzsE "^(.*/)?$1\\$" /proc/[0-9]*/cmdline); do
    words=$(tr '\\n\\000' ' \\001' <"$file")
    first=\${words%%"$(printf '\\001')"*}
    [ "\${first##*/}" != "$1" ] || printf '%s\\n' "$words"
  done
  :`;

async function readHead(path: string, bytes: number): Promise<string> {
  using file = await Deno.open(path);
  const part = new Uint8Array(bytes);
  const count = await file.read(part) ?? 0;
  return new TextDecoder().decode(part.subarray(0, count));
}

async function checksumOf(path: string, from: number, limitMs: number): Promise<string> {
  const endMs = performance.now() + limitMs;
  const late = () => new Fault("timeout", `reading ${path} takes more than ${limitMs} ms`);
  using file = await Deno.open(path);
  await file.seek(from, Deno.SeekMode.Start);
  const [hash, part] = [createHash("sha256"), new Uint8Array(1024 * 1024)];
  const read = () => withDeadline(endMs, late, file.read(part));
  for (let count = await read(); count !== null; count = await read()) {
    hash.update(part.subarray(0, count));
  }
  return hash.digest("hex");
}

async function certificateEnd(endpoint: string, limitMs: number): Promise<Date | undefined> {
  // A proxy is not asked for this: what is wrong with the certificate, the call by it says.
  if (proxyFor(`https://${endpoint}`)) return undefined;
  const { hostname, port } = new URL(`https://${endpoint}`);
  const host = hostname.replace(/^\[|\]$/g, "");
  const { promise, resolve, reject } = Promise.withResolvers<Date | undefined>();
  // Nothing is sent, and any certificate is looked at: also the expired one.
  const socket = connect({ host, port: Number(port || 443), rejectUnauthorized: false }, () => {
    const { valid_to: end } = socket.getPeerCertificate();
    resolve(end === undefined ? undefined : new Date(end));
  });
  socket.setTimeout(limitMs, () => reject(new Fault("timeout", `${endpoint} does not answer`)));
  socket.on("error", reject);
  try {
    return await promise;
  } finally {
    socket.destroy();
  }
}
