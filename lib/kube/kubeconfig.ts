// Parses a kubeconfig, YAML or JSON, into cluster and user of the chosen context. Loaded only if there is one, as the
// YAML parser is large.

import { Fault, oneLine } from "../util/errors.ts";
import { impersonationOf } from "./impersonation.ts";
import type { Access, AccessOptions } from "./access_fields.ts";

/** Files that a kubeconfig names. */
export type AccessFiles = Readonly<Partial<Record<"ca" | "cert" | "key" | "token", string>>>;

type Fields = Readonly<Record<string, unknown>>;

// Kubeconfigs of large organisations have some 100 KB; the parser takes a second for 1 MB.
const MOST_BYTES = 1024 * 1024;

/** Parses a kubeconfig, without fields that are empty or null. Faults: usage, with line and column if they are known. */
export async function parseKubeconfig(path: string, text: string): Promise<Fields> {
  const wrong = (why: string, cause?: unknown) =>
    new Fault("usage", `kubeconfig ${oneLine(path, 60)} refused`, {
      why,
      fix: 'see "kubectl config view"',
      cause,
    });
  if (text.length > MOST_BYTES) throw wrong(`it has more than ${MOST_BYTES} bytes`);
  let value: unknown;
  try {
    value = jsonIn(text) ?? (await import("js-yaml")).load(text);
  } catch (cause) {
    throw wrong(`"${oneLine(firstLine(cause), 80)}"`, cause);
  }
  const fields = fieldsIn(withoutUnset(value));
  if (!fields) throw wrong("it is not an object");
  return withPlaces(fields, path);
}

/** Empty and null mean "not set" in every field, as for kubectl; other programs write all fields that they know. */
function withoutUnset(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUnset);
  const fields = fieldsIn(value);
  if (!fields) return value;
  const set = Object.entries(fields).filter(([, one]) => one !== null && one !== "");
  return Object.fromEntries(set.map(([key, one]) => [key, withoutUnset(one)]));
}

/** Returns `config` with the paths of its files relative to the kubeconfig at `path` made complete. */
function withPlaces(config: Fields, path: string): Fields {
  const folder = path.includes("/") ? path.slice(0, path.lastIndexOf("/") + 1) : "";
  const placed = (list: string, kind: string) =>
    itemsIn(config[list]).map((item) => {
      const fields = Object.entries(fieldsIn(item[kind]) ?? {}).map(([key, value]) => [
        key,
        FILES.includes(key) && typeof value === "string" && !value.startsWith("/")
          ? folder + value
          : value,
      ]);
      return { ...item, [kind]: Object.fromEntries(fields) };
    });
  return { ...config, clusters: placed("clusters", "cluster"), users: placed("users", "user") };
}

const FILES = ["certificate-authority", "client-certificate", "client-key", "tokenFile"];

/** Merges kubeconfigs as kubectl does: of each name, and for the current context, the first one counts as a whole. */
export function mergeKubeconfigs(configs: readonly Fields[]): Fields {
  const all = (list: string) => configs.flatMap((config) => itemsIn(config[list]));
  return {
    "current-context": configs.map((config) => config["current-context"])
      .find((one) => one !== undefined),
    ...{ contexts: all("contexts"), clusters: all("clusters"), users: all("users") },
  };
}

/** Parses JSON, for which no YAML parser has to be loaded; undefined for anything else. */
function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}

/** Returns the access of the chosen context. Pure. Faults: usage. */
export function accessFrom(
  config: Fields,
  path: string,
  { isInsecure = false, context: wanted }: AccessOptions,
): Access & { readonly files: AccessFiles } {
  const wrong = (why: string, fix = 'see "kubectl config view"') =>
    new Fault("usage", `kubeconfig ${oneLine(path, 60)} refused`, { why, fix });
  const textOf = (fields: Fields, key: string): string | undefined => {
    const value = fields[key] ?? "";
    if (typeof value === "string") return value === "" ? undefined : value;
    throw wrong(`its ${key} is not text`, `put the value of ${key} in quotes`);
  };
  const pick = (list: string, kind: string, name: string): Fields => {
    const found = itemsIn(config[list]).find((item) => item.name === name);
    if (!found) throw wrong(`it has no ${kind} "${oneLine(name, 40)}"`);
    return fieldsIn(found[kind]) ?? {};
  };
  const contextName = wanted || textOf(config, "current-context");
  if (contextName === undefined) {
    throw wrong("it has no current-context", 'see "kubectl config use-context"');
  }
  const context = pick("contexts", "context", contextName);
  const cluster = pick("clusters", "cluster", textOf(context, "cluster") ?? "");
  const userName = textOf(context, "user");
  const user = userName === undefined ? {} : pick("users", "user", userName);
  const refused = refusalOf(cluster, user);
  if (refused) throw wrong(...refused);
  const server = serverOf(textOf(cluster, "server"), isInsecure, wrong);
  const pem = (fields: Fields, name: string) => {
    const data = textOf(fields, `${name}-data`);
    if (data === undefined) return undefined;
    const text = pemIn(data);
    if (text === undefined) throw wrong(`its ${name}-data is not PEM in base64`);
    return text;
  };
  const [ca, cert, key] = [
    pem(cluster, "certificate-authority"),
    pem(user, "client-certificate"),
    pem(user, "client-key"),
  ];
  const token = textOf(user, "token");
  const impersonation = impersonationOf(user, wrong);
  const files: Record<string, string | undefined> = {
    // As in client-go: data takes precedence over a file, and the file of a token over the token.
    ca: ca === undefined ? textOf(cluster, "certificate-authority") : undefined,
    cert: cert === undefined ? textOf(user, "client-certificate") : undefined,
    key: key === undefined ? textOf(user, "client-key") : undefined,
    token: textOf(user, "tokenFile"),
  };
  if ((cert ?? files.cert) === undefined !== ((key ?? files.key) === undefined)) {
    throw wrong("it has only one of client-certificate and client-key", "set both");
  }
  return {
    server,
    namespace: textOf(context, "namespace") ?? "default",
    ...ca === undefined ? {} : { ca },
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    ...token === undefined ? {} : { token },
    ...impersonation.length === 0 ? {} : { impersonation },
    files: Object.fromEntries(Object.entries(files).filter(([, file]) => file !== undefined)),
  };
}

/** Returns why a kubeconfig is refused, and the way out: it needs what is not supported. */
function refusalOf(cluster: Fields, user: Fields): [why: string, fix: string] | undefined {
  const { "insecure-skip-tls-verify": skips = false } = cluster;
  if (skips === true) {
    return ["insecure-skip-tls-verify would trust any server", "set certificate-authority instead"];
  }
  if (skips !== false) {
    return ["its insecure-skip-tls-verify is not true or false", "omit insecure-skip-tls-verify"];
  }
  if (cluster["tls-server-name"] !== undefined) {
    return ["tls-server-name is not supported", "use the server name of its certificate"];
  }
  if (cluster["proxy-url"] !== undefined) {
    return ["proxy-url is not supported", "set HTTPS_PROXY"];
  }
  for (const way of ["exec", "auth-provider", "username", "password"]) {
    if (user[way] === undefined) continue;
    return [`its user logs in by "${way}"`, "set token, tokenFile or client-certificate"];
  }
  return undefined;
}

function serverOf(
  server: string | undefined,
  isInsecure: boolean,
  wrong: (why: string, fix?: string) => Fault,
): string {
  if (server === undefined) throw wrong("its cluster has no server");
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || !["https:", "http:"].includes(url.protocol)) {
    throw wrong(
      `server "${oneLine(server, 60)}" is not a URL`,
      "use one such as https://10.0.0.1:6443",
    );
  }
  // URL reads such a number as octal, Kubernetes as decimal: better none than another machine.
  if (/^\w+:\/\/([\d.]*\.)?0\d[\d.]*(:\d+)?(\/|$)/.test(server)) {
    throw wrong(
      `server "${oneLine(server, 60)}" has an address with leading zeros`,
      "write it without them, as in https://10.0.0.1:6443",
    );
  }
  if (url.protocol === "http:" && !isInsecure) {
    throw wrong(
      `server "${oneLine(server, 60)}" does not use TLS`,
      "use https, or add --kube-insecure",
    );
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, "");
}

function pemIn(base64: string): string | undefined {
  try {
    const text = new TextDecoder().decode(Uint8Array.fromBase64(base64.replace(/\s+/g, "")));
    return text.includes("-----BEGIN ") ? text : undefined;
  } catch {
    return undefined;
  }
}

function itemsIn(value: unknown): Fields[] {
  return Array.isArray(value) ? value.map(fieldsIn).filter((one) => one !== undefined) : [];
}

function fieldsIn(value: unknown): Fields | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Fields
    : undefined;
}
