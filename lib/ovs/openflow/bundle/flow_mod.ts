// A change of one flow, from planFlows' words to the message that says it. Pure.

import { flowModMessage } from "../messages.ts";
import { WHOLE_COOKIE } from "../../ports/antispoof_flows.ts";
import { encodeActions } from "./encode_actions.ts";
import { encodeMatch } from "./encode_match.ts";
import { flowWordsOf } from "./flow_words.ts";

/** A change of one flow, ready to be sent. */
export interface FlowChange {
  readonly line: string;
  /** FLOW_MOD with the id 0. */
  readonly message: Uint8Array;
  /** What kind of message it is, without its numbers: a switch that takes one takes all of them. */
  readonly form: string;
}

// A message's length has 16 bits, and what a bundle puts around this one takes some.
const LIMIT_BYTES = 0xffff - 64;
const [ADD, DELETE_STRICT] = [0, 4];

/** Returns the message for a line of planFlows; undefined where something in it is not known. */
export function encodeChange(line: string): FlowChange | undefined {
  const words = flowWordsOf(line);
  const match = words && encodeMatch(words.match);
  if (!match) return undefined;
  const { command, cookie, table, priority } = words;
  const isAdd = command === "add";
  const actions = isAdd ? encodeActions(words.actions) : undefined;
  if (isAdd && !actions) return undefined;
  const size = match.bytes.length + (actions?.bytes.length ?? 0);
  if (size > LIMIT_BYTES) return undefined;
  const head = isAdd ? { command: ADD, mask: 0n } : { command: DELETE_STRICT, mask: WHOLE_COOKIE };
  const rest = [match.bytes, ...actions ? [actions.bytes] : []];
  return {
    line,
    message: flowModMessage(0, { ...head, cookie, table, priority }, rest),
    form: `${command} ${match.form} ${actions?.form ?? ""}`,
  };
}
