// Where --listen serves: ADDRESS:PORT, or unix:PATH. Pure.

import { Fault, oneLine } from "../../util/errors.ts";
import { parseSocketPath } from "../../util/socket_path.ts";

/** A place to listen at. */
export type ListenAddress =
  | {
    readonly kind: "tcp";
    readonly hostname: string;
    readonly port: number;
    readonly text: string;
  }
  | { readonly kind: "unix"; readonly path: string; readonly text: string };

/** What --listen and --listen-token-file say. */
export interface ListenOptions {
  readonly addresses: readonly ListenAddress[];
  /** File with the token that clients must send; each request reads it, so that it can be renewed. */
  readonly tokenFile?: string;
}

/** Returns the addresses in one text of --listen. */
export function splitListen(text: string): string[] {
  return text.split(",").map((one) => one.trim());
}

/** Returns what the two flags say; each text may name several addresses, with commas. Faults: usage. */
export function parseListen(
  texts: readonly string[],
  tokenFile: string | undefined,
): ListenOptions {
  const addresses = texts.flatMap(splitListen).map(parseAddress);
  const isOpen = (one: ListenAddress) => one.kind === "tcp" && !isLoopback(one.hostname);
  const open = addresses.find(isOpen);
  if (open && tokenFile === undefined) {
    throw new Fault("usage", `--listen ${open.text} refused`, {
      why: "other hosts can read there what this host does, without a token",
      fix: "add --listen-token-file FILE, or use 127.0.0.1:PORT",
    });
  }
  if (tokenFile !== undefined && addresses.length === 0) {
    throw new Fault("usage", "--listen-token-file needs --listen", {
      fix: "add --listen ADDRESS:PORT",
    });
  }
  return { addresses, ...tokenFile === undefined ? {} : { tokenFile } };
}

function parseAddress(text: string): ListenAddress {
  if (text.startsWith("unix:/")) {
    const path = text.slice("unix:".length).replace(/^\/+/, "/");
    return { kind: "unix", path: parseSocketPath("--listen", path), text };
  }
  const [, name, port] = /^(\[[0-9A-Fa-f:.]+\]|[0-9.]+|localhost|):(\d{1,5})$/.exec(text) ?? [];
  const hostname = name === undefined ? undefined : hostnameOf(name);
  if (hostname === undefined || port === undefined) {
    throw new Fault("usage", `--listen "${oneLine(text, 60)}" is not an address`, {
      why: "it is neither ADDRESS:PORT nor unix:/PATH",
      fix: "use one such as 127.0.0.1:9430, [::1]:9430 or unix:/run/k8contivnet/metrics.sock",
    });
  }
  if (Number(port) < 1 || Number(port) > 65_535) {
    throw new Fault("usage", `--listen ${text}: port ${port} is out of range (1–65535)`, {
      fix: "use one such as 9430",
    });
  }
  return { kind: "tcp", hostname, port: Number(port), text };
}

/** Returns a bare address; undefined if it is not one. Nothing before the colon means all addresses. */
function hostnameOf(name: string): string | undefined {
  if (name === "localhost") return "127.0.0.1";
  if (name === "") return "::";
  if (name.startsWith("[")) {
    return URL.canParse(`http://${name}/`) ? name.slice(1, -1).toLowerCase() : undefined;
  }
  const octets = name.split(".");
  const isAddress = octets.length === 4 &&
    octets.every((one) => /^(0|[1-9]\d{0,2})$/.test(one) && Number(one) < 256);
  return isAddress ? name : undefined;
}

function isLoopback(hostname: string): boolean {
  if (!hostname.includes(":")) return hostname.startsWith("127.");
  return new URL(`http://[${hostname}]/`).hostname === "[::1]";
}
