// What --listen answers: /metrics, /healthz, /readyz.

import { Fault, faultFrom } from "../../util/errors.ts";
import type { PlainAnswer, PlainHandler, PlainRequest } from "./plain_http.ts";

/** What answering works with. */
export interface ProbeDeps {
  /** Returns the text of a scrape. */
  readonly metrics: () => Promise<string>;
  /** Why the agent does not answer requests, such as `agent is stopping`; undefined if it does. */
  readonly closed: () => string | undefined;
  /** What of the agent does not work, by part; empty if all does. Parts of `vital` are needed for new pods. */
  readonly problems: () => readonly Problem[];
  /** Returns the token that clients must send; undefined if none is needed. Faults: unavailable. */
  readonly token: () => Promise<string | undefined>;
}

/** Something that does not work. */
export interface Problem {
  readonly part: string;
  readonly why: string;
  /** Without it no pod can be set up. */
  readonly isVital: boolean;
}

const PATHS = "/metrics for Prometheus, /healthz and /readyz for probes";

/** Returns what answers requests. */
export function answerProbes(deps: ProbeDeps): PlainHandler {
  return async (request) => {
    switch (request.path) {
      case "/healthz":
        return { status: 200, text: "ok\n" };
      case "/readyz":
        return readiness(deps);
      case "/metrics":
        return await refusal(deps, request) ?? {
          status: 200,
          text: await deps.metrics(),
          type: "text/plain; version=0.0.4; charset=utf-8",
        };
      case "/":
        return { status: 200, text: `k8contivnet: ${PATHS}\n` };
      default:
        return { status: 404, text: `there is nothing at this path: see ${PATHS}\n` };
    }
  };
}

/** Ready while new pods can be set up. What else does not work is said, too. */
function readiness({ closed, problems }: ProbeDeps): PlainAnswer {
  const why = closed();
  if (why !== undefined) return { status: 503, text: `[-] ${why}\n` };
  const found = problems();
  const lines = found.map(({ part, why, isVital }) => `[${isVital ? "-" : "!"}] ${part}: ${why}\n`);
  const isReady = !found.some(({ isVital }) => isVital);
  return {
    status: isReady ? 200 : 503,
    text: `${isReady ? "ready" : "not ready"}\n${lines.join("")}`,
  };
}

/** Returns the answer to a client without the token; undefined if it may read. */
async function refusal(
  { token }: ProbeDeps,
  { headers }: PlainRequest,
): Promise<PlainAnswer | undefined> {
  try {
    const wanted = await token();
    if (wanted === undefined) return undefined;
    const [, given] = /^bearer +(\S+)$/i.exec(headers.get("authorization") ?? "") ?? [];
    if (given !== undefined && isEqual(given, wanted)) return undefined;
    return {
      status: 401,
      text: "the token of --listen-token-file is needed: Authorization: Bearer TOKEN\n",
      headers: { "WWW-Authenticate": "Bearer" },
    };
  } catch (error) {
    return { status: 503, text: `${faultFrom(error).message}\n` };
  }
}

/** Compares in a time that does not depend on where the two differ. */
function isEqual(given: string, wanted: string): boolean {
  const [a, b] = [given, wanted].map((text) => new TextEncoder().encode(text));
  if (!a || !b) return false;
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at % b.length] ?? 0);
  return difference === 0;
}

/** Returns the token in a file. Faults: unavailable. */
export async function readToken(path: string): Promise<string> {
  const unusable = (why: string) =>
    new Fault("unavailable", "the file of --listen-token-file cannot be used", {
      why,
      fix: "write one token into it, readable for the agent",
    });
  const text = await Deno.readTextFile(path).catch(() => {
    throw unusable("it cannot be read");
  });
  const token = text.trim();
  if (token === "" || /\s/.test(token)) throw unusable("it does not contain one word");
  return token;
}
