// Calls the CNI face with an agent, a clock and streams in memory.

import { variablesOf } from "../../fixtures/cni_variables.ts";
import type { CniAnswer } from "../../../lib/agent/api/pod_requests.ts";
import type { AgentRequest } from "../../../lib/agent/client.ts";
import type { CniInput } from "../../../lib/cni/cni_types.ts";
import { cniMain } from "../../../lib/faces/cni.ts";
import type { TeardownNote } from "../../../lib/faces/teardown_note.ts";
import { Fault } from "../../../lib/util/errors.ts";

/** What the agent in memory does with a request, at `ms` after the first one. */
export type Agent = (request: AgentRequest, ms: number) => unknown;

/** Success without output. */
export const DONE: CniAnswer = { exit: 0, output: "" };
const GONE = new Fault("unavailable", "agent at /a.sock is unreachable", {
  ...{ why: "no such socket", fix: "start it" },
});
/** An agent that is not there. */
export const gone = (): never => {
  throw GONE;
};

/** What a call printed and did. */
export interface Outcome {
  readonly exit: number;
  readonly out: string;
  readonly err: readonly string[];
  readonly requests: readonly AgentRequest[];
  readonly notes: readonly (TeardownNote & { readonly folder: string })[];
  /** Milliseconds by the clock of the test. */
  readonly tookMs: number;
}

/** Returns a reader of `bytes`, in pieces of `pieceSize`. */
export function readerOf(bytes: Uint8Array, pieceSize = 65_536) {
  let at = 0;
  return {
    read: (buffer: Uint8Array): Promise<number | null> => {
      if (at === bytes.length) return Promise.resolve(null);
      const piece = bytes.subarray(at, at + Math.min(pieceSize, buffer.length));
      buffer.set(piece);
      at += piece.length;
      return Promise.resolve(piece.length);
    },
  };
}

export interface Setting {
  /** @default an agent that answers with success and no output */
  readonly agent?: Agent;
  /** Further variables of the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Standard input. @default the configuration of the call */
  readonly config?: Uint8Array;
  readonly leaveNote?: () => Promise<void>;
}

/** Calls the face with `input`; time passes only where the face waits. */
export async function call(input: CniInput, setting: Setting = {}): Promise<Outcome> {
  const { agent = () => DONE, config = new TextEncoder().encode(input.config) } = setting;
  const env: Record<string, string> = { ...variablesOf(input), ...setting.env };
  const [out, err]: [string[], string[]] = [[], []];
  const [requests, notes]: [AgentRequest[], (TeardownNote & { folder: string })[]] = [[], []];
  let tookMs = 0;
  const exit = await cniMain({
    env: (name) => env[name],
    out: (text) => void out.push(text),
    err: (line) => void err.push(line),
    stdin: readerOf(config),
    ask: async (request) => {
      requests.push(request);
      return await agent(request, tookMs);
    },
    leaveNote: setting.leaveNote ?? ((folder, note) => {
      notes.push({ ...note, folder });
      return Promise.resolve();
    }),
    clock: { now: () => tookMs, pause: (ms) => Promise.resolve(void (tookMs += ms)) },
  });
  return { exit, out: out.join(""), err, requests, notes, tookMs };
}
