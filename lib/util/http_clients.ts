// HTTP clients, and which proxy they use: what is local never uses one. Deno's own clients apply HTTP_PROXY, HTTPS_PROXY,
// ALL_PROXY and NO_PROXY to every request, also to those for a loopback address, and with `NO_PROXY=localhost` they
// connect to TCP port 80 instead of a unix socket. So these variables are taken out of the environment of this process
// before its first client is created, and each client gets its proxy, if any, from here.

import { Fault } from "./errors.ts";

/** The part of Deno.env that is used here. */
type Env = Pick<Deno.Env, "get" | "delete">;

/** A proxy for one server. */
export interface Proxy {
  /** With user and password, where it has them: not for messages. */
  readonly url: string;
  /** For messages. */
  readonly name: string;
}

/** What is known of this host. */
export interface LocalNames {
  readonly addresses: readonly string[];
  /** Names of its addresses. */
  readonly names: readonly string[];
}

/** Which variables apply to a kind of client: the first that is set. */
export interface ProxyVariables {
  readonly proxy: readonly string[];
  readonly except: readonly string[];
}

/** The proxy settings of an environment. */
export type ProxySettings = ReadonlyMap<string, string>;

// Upper case first, as Go's programs do.
const both = (...names: string[]) => names.flatMap((name) => [name, name.toLowerCase()]);
const EXCEPT = both("NO_PROXY");
const HTTP: ProxyVariables = { proxy: both("HTTP_PROXY", "ALL_PROXY"), except: EXCEPT };
const HTTPS: ProxyVariables = { proxy: both("HTTPS_PROXY", "ALL_PROXY"), except: EXCEPT };
/** Those that gRPC's library documents. */
export const GRPC: ProxyVariables = {
  proxy: ["grpc_proxy", "https_proxy", "http_proxy"],
  except: ["no_grpc_proxy", "no_proxy"],
};
const ALL = new Set([HTTP, HTTPS, GRPC].flatMap(({ proxy, except }) => [...proxy, ...except]));
const SCHEMES = ["http:", "https:", "socks5:", "socks5h:"];

/** Returns the proxy settings of `env`, which has none any more. An empty variable is not set. */
export function takeProxySettings(env: Env): ProxySettings {
  const settings = new Map<string, string>();
  for (const name of ALL) {
    const value = env.get(name)?.trim() ?? "";
    if (value !== "") settings.set(name, value);
    env.delete(name);
  }
  return settings;
}

let taken: ProxySettings | undefined;

/** Returns the proxy by which to ask the server at `url`; undefined for none. Faults: usage. */
export function proxyFor(url: string, variables?: ProxyVariables): Proxy | undefined {
  taken ??= takeProxySettings(Deno.env);
  return taken.size === 0 ? undefined : chooseProxy(url, taken, localNames, variables);
}

/** Creates a client that asks by `proxy`, which is that of proxyFor(). */
export function createClient(
  proxy: Proxy | undefined,
  options: Omit<Deno.CreateHttpClientOptions, "proxy">,
): Deno.HttpClient {
  return Deno.createHttpClient({ ...options, ...proxy ? { proxy: { url: proxy.url } } : {} });
}

/** Creates a client for the server at a unix socket. */
export function createUnixClient(path: string): Deno.HttpClient {
  taken ??= takeProxySettings(Deno.env);
  return Deno.createHttpClient({ proxy: { transport: "unix", path } });
}

/** Returns the proxy for `url`; `local` is asked only where the settings name one. Faults: usage. */
export function chooseProxy(
  url: string,
  settings: ProxySettings,
  local: () => LocalNames,
  { proxy, except }: ProxyVariables = url.startsWith("https:") ? HTTPS : HTTP,
): Proxy | undefined {
  const variable = proxy.find((name) => settings.has(name));
  if (variable === undefined) return undefined;
  const { hostname, port, protocol } = new URL(url);
  const host = bareHost(hostname);
  const exceptions = except.map((name) => settings.get(name)).find((one) => one !== undefined);
  const service = port || (protocol === "https:" ? "443" : "80");
  if (isExcepted(host, service, exceptions ?? "") || isLocal(host, local())) return undefined;
  return proxyIn(variable, settings.get(variable) ?? "");
}

function proxyIn(variable: string, value: string): Proxy {
  const url = value.includes("://") ? value : `http://${value}`;
  const { protocol, host } = URL.canParse(url) ? new URL(url) : { protocol: "", host: "" };
  if (!SCHEMES.includes(protocol) || host === "") {
    // Without the value, which may contain a password.
    throw new Fault("usage", `environment variable ${variable} refused`, {
      why: "it is not the URL of a proxy",
      fix: "write http://HOST:PORT",
    });
  }
  return { url, name: `${protocol}//${host}` };
}

/** Reports whether `host`, in the form of a URL, is this host. */
function isLocal(host: string, { addresses, names }: LocalNames): boolean {
  if (/^127\.|^0\.0\.0\.0$|^::1?$|^::ffff:7f/.test(host)) return true;
  if (host === "localhost" || host.endsWith(".localhost")) return true;
  return addresses.some((one) => canonical(one) === host) ||
    names.some((one) => one.toLowerCase() === host);
}

/** Reports whether `exceptions`, the value of NO_PROXY, names a host or its port. */
function isExcepted(host: string, port: string, exceptions: string): boolean {
  return exceptions.toLowerCase().split(/[\s,]+/).filter((one) => one !== "").some((one) => {
    if (one === "*") return true;
    if (one.includes("/")) return isInBlock(host, one);
    const [, named = one, itsPort] = /^(\[.*\]|[^:]*):(\d+)$/.exec(one) ?? [];
    if (itsPort !== undefined && itsPort !== port) return false;
    const name = named.replace(/^\*?\.|\.$/g, "");
    return canonical(name) === host || (bitsOf(host) === "" && host.endsWith(`.${name}`));
  });
}

function isInBlock(host: string, block: string): boolean {
  const [base = "", length = ""] = block.split("/");
  const [bits, of] = [bitsOf(host), bitsOf(canonical(base))];
  const count = Number(length);
  return /^\d+$/.test(length) && bits !== "" && bits.length === of.length &&
    count <= bits.length && bits.slice(0, count) === of.slice(0, count);
}

/** Returns the bits of an address in the form of a URL; "" for a name. */
function bitsOf(host: string): string {
  const bits = (text: string, base: number, width: number) =>
    Number.parseInt(text, base).toString(2).padStart(width, "0");
  if (/^[\d.]+$/.test(host)) return host.split(".").map((one) => bits(one, 10, 8)).join("");
  if (!host.includes(":")) return "";
  const [front = "", back] = host.split("::");
  const groups = (text: string | undefined) => text ? text.split(":") : [];
  const [first, last] = [groups(front), groups(back)];
  const zeros = Array.from({ length: 8 - first.length - last.length }, () => "0");
  return [...first, ...zeros, ...last].map((one) => bits(one, 16, 16)).join("");
}

/** Returns an address or name as it is in a URL, without brackets. */
function canonical(host: string): string {
  const bare = host.replace(/^\[|\]$/g, "").replace(/%.*$/, "");
  const url = `http://${bare.includes(":") ? `[${bare}]` : bare}`;
  return URL.canParse(url) ? bareHost(new URL(url).hostname) : bare;
}

function bareHost(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
}

/** Returns what this host has now, as addresses come and go. */
function localNames(): LocalNames {
  const addresses = Deno.networkInterfaces().map(({ address }) => address);
  const name = Deno.hostname();
  const isOwn = (address: string) => isLocal(address, { addresses, names: [] });
  return { addresses, names: [name, name.split(".")[0] ?? name, ...hostsFileNames(isOwn)] };
}

/** Returns the names that /etc/hosts has for addresses of this host. */
function hostsFileNames(isOwn: (address: string) => boolean): string[] {
  return readHostsFile().split("\n").flatMap((line) => {
    const [address = "", ...names] = line.replace(/#.*/, "").trim().split(/\s+/);
    return isOwn(canonical(address)) ? names : [];
  });
}

function readHostsFile(): string {
  try {
    return Deno.readTextFileSync("/etc/hosts");
  } catch {
    return "";
  }
}
