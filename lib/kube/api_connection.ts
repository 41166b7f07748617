// One connection to an API server: HTTPS with our certificate or token, a limit on every wait, and every failure as a
// Fault. HTTP/2 carries all requests over one connection, which may die silently: then it is closed and another one is
// opened.

import { Fault, oneLine } from "../util/errors.ts";
import { unlessAborted } from "../util/async/unless_aborted.ts";
import { readText } from "../util/body.ts";
import { createClient, proxyFor } from "../util/http_clients.ts";
import type { Access } from "./access.ts";

/** One request to the API server. */
export interface KubeRequest {
  readonly method?: "GET" | "PATCH" | "POST";
  /** Path and query below the server. */
  readonly path: string;
  readonly body?: { readonly type: string; readonly text: string };
  readonly signal?: AbortSignal;
}

/** Milliseconds within which the API server has to respond. */
export const REQUEST_LIMIT_MS = 30_000;
// Of an error response, only the message is needed.
const ERROR_BYTES = 64 * 1024;
const ERROR_BODY_MS = 5_000;

/** The kinds of error responses that callers handle differently. */
export type Refusal = "unauthorized" | "forbidden" | "missing" | "conflict" | "expired" | "other";

/** An error response of the API server, with its HTTP status. */
export class KubeRefusal extends Fault {
  readonly refusal: Refusal;
  readonly status: number;

  constructor(status: number, message: string, server: string) {
    const refusal = refusalOf(status);
    const [code, what, fix] = REFUSALS[refusal];
    const isImpersonation = refusal === "forbidden" && / cannot impersonate /.test(message);
    super(code, `API server ${server} ${what}`, {
      why: `${status} "${oneLine(message, 90)}"`,
      fix: isImpersonation ? 'grant it "impersonate", or remove "as"' : fix,
    });
    this.refusal = refusal;
    this.status = status;
  }
}

/** Code, predicate and way out of each kind. */
const REFUSALS: Readonly<Record<Refusal, readonly [Fault["code"], string, string | undefined]>> = {
  unauthorized: [
    "unavailable",
    "rejects our credentials",
    "renew the token or certificate in the kubeconfig",
  ],
  forbidden: ["failed", "denies us permission", 'apply the output of "k8contivnet kube rbac"'],
  missing: ["not_found", "does not have it", undefined],
  conflict: ["conflict", "has a newer version of it", undefined],
  expired: ["conflict", "no longer has that resourceVersion", undefined],
  other: ["unavailable", "refused", undefined],
};

function refusalOf(status: number): Refusal {
  if (status === 401) return "unauthorized";
  if (status === 403) return "forbidden";
  if (status === 404) return "missing";
  // 422: a JSON patch whose test failed.
  if (status === 409 || status === 422) return "conflict";
  return status === 410 ? "expired" : "other";
}

/** A connection, until close(). */
export class ApiConnection implements Disposable {
  #access: Access;
  readonly #client: Deno.HttpClient;
  /** Proxy by which the server is asked, for messages. */
  readonly proxy: string | undefined;
  readonly #closing = new AbortController();

  /** Sends nothing yet. Faults: usage, if certificate, key or the proxy's URL is not valid. */
  constructor(access: Access) {
    this.#access = access;
    const { ca, cert, key } = access;
    const proxy = proxyFor(access.server);
    this.proxy = proxy?.name;
    try {
      this.#client = createClient(proxy, {
        ...ca === undefined ? {} : { caCerts: [ca] },
        ...cert === undefined || key === undefined ? {} : { cert, key },
      });
    } catch (cause) {
      throw new Fault("usage", `cannot connect to ${access.server}`, {
        why: `"${oneLine(String(cause instanceof Error ? cause.message : cause), 80)}"`,
        fix: "check certificates and key in the kubeconfig",
        cause,
      });
    }
  }

  /** URL of the API server. */
  get server(): string {
    return this.#access.server;
  }

  /** Applies a renewed token; returns false if more has changed, which needs another connection. */
  renew(access: Access): boolean {
    const { token: _, ...rest } = access;
    const { token: _old, ...before } = this.#access;
    if (JSON.stringify(rest) !== JSON.stringify(before)) return false;
    this.#access = access;
    return true;
  }

  /**
   * Returns a response of status 2xx, as soon as its headers are there. Faults: KubeRefusal; unavailable, timeout. The
   * read of its body is limited by `signal` only.
   */
  async request(
    { method = "GET", path, body, signal }: KubeRequest,
    limitMs = REQUEST_LIMIT_MS,
  ): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), limitMs);
    const signals = [late.signal, this.#closing.signal, ...signal ? [signal] : []];
    try {
      const ends = AbortSignal.any(signals);
      const response = fetch(`${this.server}${path}`, {
        method,
        client: this.#client,
        signal: ends,
        redirect: "manual",
        headers: this.#headers(body?.type),
        ...body ? { body: body.text } : {},
      });
      const received = await unlessAborted(response, ends);
      if (received.ok) return received;
      throw new KubeRefusal(received.status, await messageOf(received), this.#place);
    } catch (error) {
      // The caller's own limit may be the same, and expire first.
      const isLate = late.signal.aborted || (error as Error)?.name === "TimeoutError";
      throw this.faultOf(error, isLate ? limitMs : undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns pairs, as an object or Headers would join the groups of an impersonation to one. */
  #headers(type: string | undefined): [string, string][] {
    const { token, impersonation = [] } = this.#access;
    return [
      ["accept", "application/json"],
      ["user-agent", "k8contivnet"],
      ...token === undefined ? [] : [["authorization", `Bearer ${token}`] as [string, string]],
      ...impersonation.map(([name, value]): [string, string] => [name, value]),
      ...type === undefined ? [] : [["content-type", type] as [string, string]],
    ];
  }

  /** Returns the JSON of a response. Faults: as request(); the limit includes the body. */
  async requestJson(request: KubeRequest, limitMs = REQUEST_LIMIT_MS): Promise<unknown> {
    const late = AbortSignal.timeout(limitMs);
    const signal = request.signal ? AbortSignal.any([request.signal, late]) : late;
    try {
      const { body } = await this.request({ ...request, signal }, limitMs);
      return JSON.parse(await readText(body, signal));
    } catch (error) {
      throw this.faultOf(error, late.aborted ? limitMs : undefined);
    }
  }

  /** Returns what went wrong on this connection as a Fault. */
  faultOf(error: unknown, limitMs?: number): Fault {
    if (error instanceof Fault) return error;
    if (limitMs !== undefined) {
      return new Fault(
        "timeout",
        `API server ${this.#place} did not respond within ${limitMs} ms`,
        { fix: this.#wayOut(undefined), cause: error },
      );
    }
    const [why, fix] = transportReason(error);
    return new Fault("unavailable", `API server ${this.#place} is unreachable`, {
      why,
      fix: this.#wayOut(fix),
      cause: error,
    });
  }

  /** The server, with the proxy by which it is asked. */
  get #place(): string {
    return this.proxy === undefined ? this.server : `${this.server} by proxy ${this.proxy}`;
  }

  /** Returns the way out of a request that got no response: with a proxy, that is between us and the server. */
  #wayOut(direct: string | undefined): string | undefined {
    if (this.proxy === undefined) return direct;
    return `check the proxy, or add ${new URL(this.server).hostname} to NO_PROXY`;
  }

  /** Ends all requests. May be repeated. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/** Returns the message of an error response. */
async function messageOf(response: Response): Promise<string> {
  const late = AbortSignal.timeout(ERROR_BODY_MS);
  const text = await readText(response.body, late, ERROR_BYTES).catch(() => "");
  try {
    const { message } = JSON.parse(text);
    if (typeof message === "string") return message;
  } catch {
    // Some error responses are plain text, of a proxy for instance.
  }
  return text || response.statusText;
}

/** Returns why a request failed; Deno 2.9 has that in the text of the error only. */
function transportReason(error: unknown): [why: string, fix: string | undefined] {
  const text = chainText(error);
  const known = TRANSPORT.find(([pattern]) => pattern.test(text));
  if (known) return [known[1], known[2]];
  // The address is in the message already.
  return [`"${oneLine(text.replace(/^.*client error \(\w+\): /s, ""), 90)}"`, undefined];
}

/** Patterns of Deno's texts, with reason and way out. */
const TRANSPORT: readonly (readonly [RegExp, string, string | undefined])[] = [
  [
    /UnknownIssuer|CaUsedAsEndEntity|BadSignature/,
    "its certificate is not signed by the certificate-authority of the kubeconfig",
    "set the certificate-authority of that cluster",
  ],
  [
    /NotValidForName|not valid for name/,
    "its certificate is for another name",
    "use the server name of its certificate",
  ],
  [
    /certificate:? ?(Expired|NotValidYet|expired|not valid yet)/,
    "its certificate has expired or is not yet valid",
    "check both clocks",
  ],
  [
    /InvalidContentType|invalid HTTP version/,
    "one side speaks TLS and the other does not",
    "check http and https in the server of the kubeconfig",
  ],
  [
    /CertificateRequired|BadCertificate|CertificateUnknown|AlertReceived/,
    "it rejects our certificate",
    "use a certificate of that cluster",
  ],
  [/Connection refused/, "connection refused", "check whether it is running"],
  [/dns error|lookup address/, "its name cannot be resolved", "check the server in the kubeconfig"],
  [/unreachable/, "there is no route to it", "check this host's network"],
  [/AbortError|aborted/, "the request was aborted", undefined],
  [
    /connection closed|body from connection|Connection reset|Broken pipe|IncompleteMessage|GoAway/i,
    "it closed the connection",
    undefined,
  ],
];

/** Returns the texts of an error and its causes. */
function chainText(error: unknown): string {
  const texts: string[] = [];
  for (let at = error; at instanceof Error && texts.length < 5; at = at.cause) {
    texts.push(`${at.name}: ${at.message}`);
  }
  return texts.length === 0 ? String(error) : texts.join(": ");
}
