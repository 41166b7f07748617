// Parses a kubeconfig, YAML or JSON, into cluster and user of the chosen context. Loaded only if there is one, as the
// YAML parser is large.

import { Fault, oneLine } from "../util/errors.ts";
import { impersonationOf } from "./impersonation.ts";
import type { Access, AccessOptions } from "./access_fields.ts";

/** Files that a kubeconfig names, relative to its own folder. */
export type AccessFiles = Readonly<Partial<Record<"ca" | "cert" | "key" | "token", string>>>;

type Fields = Readonly<Record<string, unknown>>;

// Kubeconfigs of large organisations have some 100 KB; the parser takes a second for 1 MB.
const MOST_BYTES = 1024 * 1024;

/** Parses a kubeconfig. Faults: usage, with line and column if they are known. */
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
  const fields = fieldsIn(value);
  if (!fields) throw wrong("it is not an object");
  return fields;
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
  const pick = (list: string, kind: string, name: string): Fields => {
    const found = itemsIn(config[list]).find((item) => item.name === name);
    const fields = found && fieldsIn(found[kind]);
    if (!fields) throw wrong(`it has no ${kind} "${oneLine(name, 40)}"`);
    return fields;
  };
  const contextName = wanted ?? textIn(config["current-context"]);
  if (contextName === undefined) {
    throw wrong("it has no current-context", 'see "kubectl config use-context"');
  }
  const context = pick("contexts", "context", contextName);
  const cluster = pick("clusters", "cluster", textIn(context.cluster) ?? "");
  const user = textIn(context.user) === undefined
    ? {}
    : pick("users", "user", textIn(context.user) ?? "");
  const refused = refusalOf(cluster, user);
  if (refused) throw wrong(...refused);
  const server = serverOf(textIn(cluster.server), isInsecure, wrong);
  const pem = (fields: Fields, name: string) => {
    const data = textIn(fields[`${name}-data`]);
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
  const token = textIn(user.token);
  const impersonation = impersonationOf(user, wrong);
  const files: Record<string, string | undefined> = {
    // As in client-go: data takes precedence over a file, and the file of a token over the token.
    ca: ca === undefined ? textIn(cluster["certificate-authority"]) : undefined,
    cert: cert === undefined ? textIn(user["client-certificate"]) : undefined,
    key: key === undefined ? textIn(user["client-key"]) : undefined,
    token: textIn(user.tokenFile),
  };
  if ((cert ?? files.cert) === undefined !== ((key ?? files.key) === undefined)) {
    throw wrong("it has only one of client-certificate and client-key", "set both");
  }
  return {
    server,
    namespace: textIn(context.namespace) ?? "default",
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
  if (cluster["insecure-skip-tls-verify"] === true) {
    return ["insecure-skip-tls-verify would trust any server", "set certificate-authority instead"];
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

function textIn(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
