// Reads the network configuration from standard input.

import { CNI_CODES, CniError } from "../cni/cni_types.ts";
import { CONFIG_LIMIT, configTooLong } from "../cni/config_limit.ts";
import { shortPause } from "../util/async/short_pause.ts";
import { systemWords } from "../util/errors.ts";

/** What is used of Deno.stdin. */
export interface Reader {
  read(buffer: Uint8Array): Promise<number | null>;
}

/** A runtime writes its configuration at once; a person who forgot it gets an answer after this time. */
const STDIN_MS = 10_000;

/** Returns all of `reader` as text. Errors: code 5, if it is longer than 1 MiB, does not end in `limitMs`, or fails. */
export async function readConfig(reader: Reader, limitMs: number = STDIN_MS): Promise<string> {
  const text = readAll(reader);
  for (let pauses = 0; pauses < 4; pauses++) {
    const early = await Promise.race([text, shortPause()]);
    if (early !== undefined) return early;
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(noEnd(limitMs)), limitMs);
  });
  try {
    return await Promise.race([text, late]);
  } finally {
    clearTimeout(timer);
  }
}

function noEnd(limitMs: number): CniError {
  return new CniError(
    CNI_CODES.io,
    `standard input did not end in ${limitMs / 1_000} s`,
    "the runtime must write the network configuration to it and close it",
  );
}

async function readAll(reader: Reader): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const buffer = new Uint8Array(65_536);
    const count = await reader.read(buffer).catch((error) => {
      throw new CniError(CNI_CODES.io, "standard input cannot be read", systemWords(error));
    });
    if (count === null) break;
    parts.push(buffer.subarray(0, count));
    length += count;
    if (length > CONFIG_LIMIT) throw configTooLong("bytes");
  }
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return new TextDecoder().decode(all);
}
