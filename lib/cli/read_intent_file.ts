// Reads the file that a user names on the command line, or standard input for `-`.

import { INTENT_BYTES } from "../agent/api/intent_requests.ts";
import { Fault } from "../util/errors.ts";

/** One text that belongs to an intent. */
export interface IntentSource {
  /** Its file; `-` for standard input. */
  readonly name: string;
  readonly text: string;
}

/** Reports whether a path is that of standard input; by /dev/stdin, Deno may not open it (2.9.6). */
export function isStandardInput(path: string): boolean {
  return path === "-" || path === "/dev/stdin";
}

/** Returns the name of a file for people. */
export function sourceName(path: string): string {
  return isStandardInput(path) ? "stdin" : path;
}

/** Returns the text of an intent file. Faults: not_found, usage (not UTF-8, empty, longer than INTENT_BYTES), failed. */
export async function readIntentFile(path: string): Promise<string> {
  const text = decode(path, await readBytes(path));
  if (text.trim() !== "") return text;
  throw new Fault("usage", `intent ${sourceName(path)} is empty`, {
    fix: 'see "k8contivnet intent example"',
  });
}

async function readBytes(path: string): Promise<Uint8Array> {
  if (isStandardInput(path)) return await readStream(path, Deno.stdin.readable);
  try {
    return await readStream(path, (await Deno.open(path)).readable);
  } catch (cause) {
    if (cause instanceof Fault) throw cause;
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new Fault(isMissing ? "not_found" : "failed", `intent file ${path} cannot be read`, {
      why: isMissing ? "it does not exist" : "it is a folder, or not readable",
      fix: "name a JSON or YAML file, a folder, or - for standard input",
      cause,
    });
  }
}

/** Reads to the end. Faults: usage, beyond INTENT_BYTES. */
async function readStream(
  path: string,
  stream: ReadableStream<Uint8Array<ArrayBuffer>>,
): Promise<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  let length = 0;
  for await (const chunk of stream) {
    length += chunk.length;
    if (length > INTENT_BYTES) {
      throw new Fault("usage", `intent ${sourceName(path)} is too large`, {
        why: `it has more than ${INTENT_BYTES / 2 ** 20} MB`,
        fix: "apply it in parts, tenant by tenant",
      });
    }
    chunks.push(chunk);
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Fault("usage", `intent ${sourceName(path)} is not UTF-8 text`, {
      fix: "save it as UTF-8",
      cause,
    });
  }
}
