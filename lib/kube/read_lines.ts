// A stream's lines: chunks are cut anywhere, also within a character.

import { piecesOf } from "../util/body.ts";
import { Fault } from "../util/errors.ts";

// etcd takes 1.5 MB for an object; its JSON may be longer.
const MOST_CHARACTERS = 16 * 1024 * 1024;

/**
 * Returns each whole line that is not empty; what is cut off at the end is nobody's. Faults: the
 * signal's reason, when it aborts; what breaks the read.
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
      throw new Fault("unavailable", "API server's watch has a line that is too long");
    }
    for (const next of rest) {
      const line = parts.join("");
      if (line !== "") yield line;
      parts.splice(0, parts.length, next);
      length = next.length;
    }
  }
}
