// One connection to an API server: HTTPS with our certificate or token, limits on every wait, and
// answers as Faults with a sentence each. HTTP/2 carries all requests over one connection, which may
// die without a word: then it is closed and another one is made.

import { Fault, oneLine } from "../util/errors.ts";
import { unlessAborted } from "../util/async/unless_aborted.ts";
import { readText } from "../util/body.ts";
import type { Access } from "./access.ts";

/** One question to the API server. */
export interface KubeRequest {
  readonly method?: "GET" | "PATCH";
  /** Path and query below the server. */
  readonly path: string;
  readonly body?: { readonly type: string; readonly text: string };
  readonly signal?: AbortSignal;
}

const LIMIT_MS = 30_000;
// Of an answer that is no success, only its words are wanted.
const FAULT_BYTES = 64 * 1024;
const WORDS_MS = 5_000;

/** Which kind of refusal the API server gave: what a caller does about it differs. */
export type Refusal = "unauthorized" | "forbidden" | "missing" | "conflict" | "expired" | "other";

/** The API server's refusal; `reason` is its own word, as "NotFound". */
export class KubeRefusal extends Fault {
  readonly refusal: Refusal;
  readonly status: number;

  constructor(status: number, message: string, server: string) {
    const refusal = refusalOf(status);
    const [code, why, fix] = WORDS[refusal];
    super(code, `API server ${server} ${why}`, {
      why: `${status} "${oneLine(message, 90)}"`,
      fix,
    });
    this.refusal = refusal;
    this.status = status;
  }
}

const WORDS: Readonly<Record<Refusal, readonly [Fault["code"], string, string | undefined]>> = {
  unauthorized: ["unavailable", "does not know us", "renew the kubeconfig's token or certificate"],
  forbidden: ["failed", "does not let us", 'apply what "k8contivnet kube rbac" prints'],
  missing: ["not_found", "does not have it", undefined],
  conflict: ["conflict", "has it otherwise by now", undefined],
  expired: ["conflict", "has forgotten that version", undefined],
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

/** A connection that lasts until close(). */
export class ApiConnection implements Disposable {
  #access: Access;
  readonly #client: Deno.HttpClient;
  readonly #closing = new AbortController();

  /** Makes no request yet. Faults: usage, where certificate or key is none. */
  constructor(access: Access) {
    this.#access = access;
    const { ca, cert, key } = access;
    try {
      this.#client = Deno.createHttpClient({
        ...ca === undefined ? {} : { caCerts: [ca] },
        ...cert === undefined || key === undefined ? {} : { cert, key },
      });
    } catch (cause) {
      throw new Fault("usage", `no connection to ${access.server} can be made`, {
        why: `"${oneLine(String(cause instanceof Error ? cause.message : cause), 80)}"`,
        fix: "see certificates and key in the kubeconfig",
        cause,
      });
    }
  }

  get server(): string {
    return this.#access.server;
  }

  /** Takes a renewed token over; false where more has changed, which takes another connection. */
  renew(access: Access): boolean {
    const { token: _, ...rest } = access;
    const { token: _old, ...before } = this.#access;
    if (JSON.stringify(rest) !== JSON.stringify(before)) return false;
    this.#access = access;
    return true;
  }

  /**
   * Returns an answer whose status is 2xx, when its head is there. Faults: KubeRefusal; unavailable,
   * timeout. Who goes on reading the body limits that by `signal`.
   */
  async ask(
    { method = "GET", path, body, signal }: KubeRequest,
    limitMs = LIMIT_MS,
  ): Promise<Response> {
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), limitMs);
    const signals = [late.signal, this.#closing.signal, ...signal ? [signal] : []];
    try {
      const ends = AbortSignal.any(signals);
      const answer = fetch(`${this.server}${path}`, {
        method,
        client: this.#client,
        signal: ends,
        redirect: "manual",
        headers: {
          accept: "application/json",
          "user-agent": "k8contivnet",
          ...this.#access.token === undefined
            ? {}
            : { authorization: `Bearer ${this.#access.token}` },
          ...body ? { "content-type": body.type } : {},
        },
        ...body ? { body: body.text } : {},
      });
      const response = await unlessAborted(answer, ends);
      if (response.ok) return response;
      throw new KubeRefusal(response.status, await messageOf(response), this.server);
    } catch (error) {
      // The caller's own limit may be the same, and be over first.
      const isLate = late.signal.aborted || (error as Error)?.name === "TimeoutError";
      throw this.faultOf(error, isLate ? limitMs : undefined);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Returns the answer's JSON value. Faults: as ask(); the limit is for the whole. */
  async askJson(request: KubeRequest, limitMs = LIMIT_MS): Promise<unknown> {
    const late = AbortSignal.timeout(limitMs);
    const signal = request.signal ? AbortSignal.any([request.signal, late]) : late;
    try {
      const { body } = await this.ask({ ...request, signal }, limitMs);
      return JSON.parse(await readText(body, signal));
    } catch (error) {
      throw this.faultOf(error, late.aborted ? limitMs : undefined);
    }
  }

  /** Returns what went wrong on this connection as a Fault. */
  faultOf(error: unknown, limitMs?: number): Fault {
    if (error instanceof Fault) return error;
    if (limitMs !== undefined) {
      return new Fault("timeout", `API server ${this.server} gave no answer in ${limitMs} ms`, {
        cause: error,
      });
    }
    const [why, fix] = transportWords(error);
    return new Fault("unavailable", `API server ${this.server} cannot be asked`, {
      why,
      fix,
      cause: error,
    });
  }

  /** Ends all that is under way. Repeatable. */
  close(): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#client.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function messageOf(response: Response): Promise<string> {
  const late = AbortSignal.timeout(WORDS_MS);
  const text = await readText(response.body, late, FAULT_BYTES).catch(() => "");
  try {
    const { message } = JSON.parse(text);
    if (typeof message === "string") return message;
  } catch {
    // Some refusals are plain text, of a proxy for instance.
  }
  return text || response.statusText;
}

/** What Deno 2.9 says of a failed request, in our words; the text is its only part that tells. */
function transportWords(error: unknown): [why: string, fix: string | undefined] {
  const text = wordsOf(error);
  const known = TRANSPORT.find(([pattern]) => pattern.test(text));
  if (known) return [known[1], known[2]];
  // The address is said already.
  return [`"${oneLine(text.replace(/^.*client error \(\w+\): /s, ""), 90)}"`, undefined];
}

const TRANSPORT: readonly (readonly [RegExp, string, string | undefined])[] = [
  [
    /UnknownIssuer|CaUsedAsEndEntity|BadSignature/,
    "another authority than the kubeconfig's has signed its certificate",
    "give that cluster's certificate-authority",
  ],
  [
    /NotValidForName|not valid for name/,
    "its certificate is for another name",
    "name the server as it does",
  ],
  [
    /certificate:? ?(Expired|NotValidYet|expired|not valid yet)/,
    "its certificate is not valid now",
    "see both clocks",
  ],
  [
    /InvalidContentType|invalid HTTP version/,
    "it does not speak TLS there, or nothing else",
    "see http and https in the kubeconfig's server",
  ],
  [
    /CertificateRequired|BadCertificate|CertificateUnknown|AlertReceived/,
    "it does not take our certificate",
    "give one of that cluster",
  ],
  [/Connection refused/, "nobody listens there", "see whether it is running"],
  [/dns error|lookup address/, "its name is not known", "see the kubeconfig's server"],
  [/unreachable/, "there is no way to it", "see this host's network"],
  [/AbortError|aborted/, "the connection was ended", undefined],
  [
    /connection closed|body from connection|Connection reset|Broken pipe|IncompleteMessage|GoAway/i,
    "it ended the connection",
    undefined,
  ],
];

function wordsOf(error: unknown): string {
  const words: string[] = [];
  for (let at = error; at instanceof Error && words.length < 5; at = at.cause) {
    words.push(`${at.name}: ${at.message}`);
  }
  return words.length === 0 ? String(error) : words.join(": ");
}
