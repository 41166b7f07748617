// The one error that crosses the border of a room, and the one table of its exit, HTTP and CNI codes, so that all
// faces report failures in the same way.

/** Kinds of failure that callers distinguish. */
export type FaultCode =
  | "failed"
  | "usage"
  | "not_found"
  | "conflict"
  | "exhausted"
  | "unavailable"
  | "timeout";

/** Process exit code, HTTP status and CNI error code of each kind. */
export const FAULT_CODES: Readonly<
  Record<FaultCode, { readonly exit: number; readonly http: number; readonly cni: number }>
> = {
  failed: { exit: 1, http: 500, cni: 104 },
  usage: { exit: 2, http: 400, cni: 7 },
  "not_found": { exit: 3, http: 404, cni: 101 },
  conflict: { exit: 4, http: 409, cni: 103 },
  exhausted: { exit: 4, http: 409, cni: 100 },
  unavailable: { exit: 5, http: 503, cni: 11 },
  timeout: { exit: 6, http: 504, cni: 11 },
};

/** Optional parts of a Fault's message: the reason, the way out, and the error behind it. */
export interface FaultParts {
  readonly why?: string | undefined;
  readonly fix?: string | undefined;
  readonly cause?: unknown;
}

/** A failure as one line: `what: why; fix`. */
export class Fault extends Error {
  readonly code: FaultCode;
  readonly what: string;
  readonly why: string | undefined;
  readonly fix: string | undefined;

  constructor(code: FaultCode, what: string, { why, fix, cause }: FaultParts = {}) {
    super(`${what}${why ? `: ${why}` : ""}${fix ? `; ${fix}` : ""}`, { cause });
    this.name = "Fault";
    this.code = code;
    this.what = what;
    this.why = why;
    this.fix = fix;
  }
}

/** Returns `error` as a Fault; any other error becomes `failed`, with its message quoted. */
export function faultFrom(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new Fault("failed", `unexpected error: "${oneLine(message)}"`, {
    cause: error,
  });
}

/** Reports whether `error` means that the other side did not answer, in time or at all. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof Fault && (error.code === "unavailable" || error.code === "timeout");
}

/** Returns the system's message of an error, without the call and path that Deno adds. */
export function systemWords(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return oneLine(message.split(" (os error")[0] ?? message, 60);
}

/** Returns foreign text on one line, without control characters, truncated to `limit` characters. */
export function oneLine(text: string, limit = 120): string {
  const flat = text.replace(/\p{Cc}+/gu, " ").trim();
  return flat.length > limit ? `${flat.slice(0, limit - 1)}…` : flat;
}
