// Frames on a link, as tcpdump prints them: one line each, with Ethernet header and tag.

import { waitFor } from "./wait.ts";

/** A running capture. */
export interface Sniff extends AsyncDisposable {
  /** Lines so far. */
  readonly lines: readonly string[];
  /** Waits for a line that matches, which says that all frames before it are in `lines`. */
  seen(what: RegExp): Promise<string>;
}

/** Starts to capture on `device` of a named namespace; returns when no frame is missed any more. */
export async function sniff(netns: string, device: string, filter = ""): Promise<Sniff> {
  const words = ["-l", "-nn", "-e", "--immediate-mode", "-i", device, ...filter ? [filter] : []];
  const child = new Deno.Command("ip", {
    args: ["netns", "exec", netns, "tcpdump", ...words],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const lines: string[] = [];
  const notes: string[] = [];
  const read = Promise.all([collect(child.stdout, lines), collect(child.stderr, notes)]);
  const end = async () => {
    child.kill("SIGTERM");
    await Promise.all([child.status, read]);
  };
  try {
    await waitFor("tcpdump to listen", () => notes.some((line) => line.startsWith("listening")));
  } catch (error) {
    await end();
    throw error;
  }
  return {
    lines,
    seen: (what) => waitFor(`a frame like ${what}`, () => lines.find((line) => what.test(line))),
    [Symbol.asyncDispose]: end,
  };
}

async function collect(stream: ReadableStream<Uint8Array>, lines: string[]): Promise<void> {
  let rest = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    lines.push(...parts);
  }
}
