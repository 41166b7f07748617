// Parses the URL and the login options of an etcd store, strictly.

import { Fault, systemWords } from "../../util/errors.ts";
import type { OpenOptions } from "../open_options.ts";

/** A parsed etcd URL. */
export interface EtcdUrl {
  readonly isSecure: boolean;
  /** `HOST:PORT` of each member. */
  readonly endpoints: readonly string[];
  /** All keys are below this; begins with a slash, ends without one. */
  readonly root: string;
}

const DEFAULT_ROOT = "/contiv.io/k8contivnet/v1";
const DEFAULT_PORT = "2379";
const FIX = "write etcd://HOST:2379,HOST:2379/PREFIX, or etcds:// for TLS";

/** Parses `url`; members without a port have 2379, blanks around them are ignored. Faults: usage, without repeating the URL, as it may contain a password. */
export function parseEtcdUrl(url: string): EtcdUrl {
  const [, scheme, members = "", path = ""] = /^(etcds?):\/\/([^/?#]*)(\/[^?#]*)?$/.exec(url) ?? [];
  if (scheme === undefined) throw wrong("is not an etcd URL");
  if (members.includes("@")) {
    throw wrong("contains a user", "set --etcd-user and --etcd-password-file");
  }
  const endpoints = members.split(",").map(parseEndpoint);
  if (new Set(endpoints).size < endpoints.length) throw wrong("names a member twice");
  return { isSecure: scheme === "etcds", endpoints, root: parseRoot(path) };
}

function parseEndpoint(text: string): string {
  const member = /^(\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::([0-9]{1,5}))?$/;
  const [, host = "", port = DEFAULT_PORT] = member.exec(text.trim()) ?? [];
  const number = Number(port);
  if (host !== "" && number >= 1 && number <= 65_535) return `${host.toLowerCase()}:${number}`;
  throw wrong("has a member that is not HOST:PORT or HOST");
}

function parseRoot(path: string): string {
  const root = path.replace(/\/$/, "");
  if (root === "") return DEFAULT_ROOT;
  // Refuses what would look the same but be another key: escapes, empty parts, `.` and `..`.
  if (/^(\/(?!\.\.?(\/|$))[\w.:-]+)+$/.test(root)) return root;
  throw wrong("has a prefix with characters other than letters, digits, . _ : - and /");
}

function wrong(why: string, fix = FIX): Fault {
  return new Fault("usage", "store's URL refused", { why: `it ${why}`, fix });
}

/** Contents of the files and options that a connection and a login need. */
export interface Access {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
}

/** Reads the files that `options` name. Faults: usage (options that do not go together, unreadable files). */
export async function readAccess(url: EtcdUrl, options: OpenOptions): Promise<Access> {
  const { etcdCa, etcdCert, etcdKey, etcdUser, etcdPasswordFile } = options;
  requireBoth("etcd-cert", etcdCert, "etcd-key", etcdKey);
  requireBoth("etcd-user", etcdUser, "etcd-password-file", etcdPasswordFile);
  if (!url.isSecure && (etcdCa ?? etcdCert) !== undefined) {
    throw new Fault("usage", "certificates refused", {
      why: "the store's URL is etcd://, without TLS",
      fix: "write etcds://, or omit --etcd-ca, --etcd-cert and --etcd-key",
    });
  }
  const [ca, cert, key] = await Promise.all([
    readPem("etcd-ca", etcdCa, "CERTIFICATE"),
    readPem("etcd-cert", etcdCert, "CERTIFICATE"),
    readPem("etcd-key", etcdKey, "PRIVATE KEY"),
  ]);
  if (etcdPasswordFile !== undefined) await readPassword(etcdPasswordFile);
  return { ca, cert, key, user: etcdUser, passwordFile: etcdPasswordFile };
}

/** Returns the password in `file`, without a newline at its end. Faults: usage. */
export async function readPassword(file: string): Promise<string> {
  const password = (await readText("etcd-password-file", file)).replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new Fault("usage", `--etcd-password-file ${file} refused`, { why: "it is empty" });
}

function requireBoth(
  one: string,
  a: string | undefined,
  other: string,
  b: string | undefined,
): void {
  if ((a === undefined) === (b === undefined)) return;
  const [present, missing] = a === undefined ? [other, one] : [one, other];
  throw new Fault("usage", `--${present} refused`, {
    why: `it requires --${missing}`,
    fix: `set --${missing} too`,
  });
}

async function readPem(
  option: string,
  file: string | undefined,
  kind: string,
): Promise<string | undefined> {
  if (file === undefined) return undefined;
  const text = await readText(option, file);
  if (new RegExp(`-----BEGIN [A-Z ]*${kind}-----`).test(text)) return text;
  throw new Fault("usage", `--${option} ${file} refused`, {
    why: `it contains no ${kind.toLowerCase()} in PEM format`,
  });
}

async function readText(option: string, file: string): Promise<string> {
  try {
    return await Deno.readTextFile(file);
  } catch (cause) {
    throw new Fault("usage", `--${option} ${file} cannot be read`, {
      why: `"${systemWords(cause)}"`,
      fix: "check its path and mode",
      cause,
    });
  }
}
