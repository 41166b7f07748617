// Reads the network configuration from standard input.

import { CNI_CODES, CniError } from "../cni/cni_types.ts";
import { CONFIG_LIMIT, CONFIG_MS, configTooLong, configWithoutEnd } from "../cni/config_limit.ts";
import { shortPause } from "../util/async/short_pause.ts";
import { systemWords } from "../util/errors.ts";

/** What is used of Deno.stdin. */
export interface Reader {
  read(buffer: Uint8Array): Promise<number | null>;
}

/** Returns all of `reader` as text. Errors: code 5, if it is longer than 1 MiB, does not end in `limitMs`, or fails. */
export async function readConfig(reader: Reader, limitMs: number = CONFIG_MS): Promise<string> {
  const text = readAll(reader);
  for (let pauses = 0; pauses < 4; pauses++) {
    const early = await Promise.race([text, shortPause()]);
    if (early !== undefined) return early;
  }
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(configWithoutEnd(limitMs)), limitMs);
  });
  try {
    return await Promise.race([text, late]);
  } finally {
    clearTimeout(timer);
  }
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
