// The agent's HTTP interface over its unix socket: paths below /v1, JSON bodies. Where it is, and how it refuses.

import type { FaultCode } from "../../util/errors.ts";

/** Default path of the agent's socket. */
export const DEFAULT_SOCKET = "/run/k8contivnet/agent.sock";

/** Returns the folder for notes of teardowns, which callers leave while the agent at `socket` is unreachable. */
export function notesOf(socket: string): string {
  return `${socket}.notes`;
}

/** Returns the file with the settings of the last agent at `socket`. */
export function settingsFileOf(socket: string): string {
  return `${socket}.settings`;
}

/** Body of every response that is not 2xx: the parts of a Fault. */
export interface FaultBody {
  readonly code: FaultCode;
  readonly what: string;
  readonly why?: string;
  readonly fix?: string;
}
