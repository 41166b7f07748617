// Reads what a user names on the command line: a file, or `-` for standard input.

import { Fault } from "../util/errors.ts";

/** Gives the text of an intent file. Faults: not_found, usage (no UTF-8, empty), failed. */
export async function readIntentFile(path: string): Promise<string> {
  const text = decode(path, await readBytes(path));
  if (text.trim() !== "") return text;
  throw new Fault("usage", `intent ${path} is empty`, {
    fix: 'see "k8contivnet intent example"',
  });
}

async function readBytes(path: string): Promise<Uint8Array> {
  if (path === "-") return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new Fault(isMissing ? "not_found" : "failed", `intent file ${path} cannot be read`, {
      why: isMissing ? "there is no such file" : "it is a folder, or may not be read",
      fix: "name a JSON file, or - for standard input",
      cause,
    });
  }
}

function decode(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new Fault("usage", `intent ${path} is not UTF-8 text`, {
      fix: "save it as UTF-8",
      cause,
    });
  }
}
