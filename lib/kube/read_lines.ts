// Splits a stream into lines; a chunk may end anywhere, also within a character.

import { piecesOf } from "../util/body.ts";
import { Fault } from "../util/errors.ts";

// etcd accepts objects of up to 1.5 MB; their JSON may be longer.
const MOST_CHARACTERS = 16 * 1024 * 1024;

/**
 * Returns each complete line that is not empty; an incomplete one at the end is dropped. Faults: the signal's reason,
 * when it aborts; of the read; unavailable, for a line without an end.
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncIterable<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let length = 0;
  for await (const chunk of piecesOf(body, signal)) {
    const [first = "", ...rest] = decoder.decode(chunk, { stream: true }).split("\n");
    parts.push(first);
    length += first.length;
    if (length > MOST_CHARACTERS) {
      throw new Fault("unavailable", "a watch event of the API server is too long", {
        why: `it has more than ${MOST_CHARACTERS} characters`,
      });
    }
    for (const next of rest) {
      const line = parts.join("");
      if (line !== "") yield line;
      parts.splice(0, parts.length, next);
      length = next.length;
    }
  }
}
