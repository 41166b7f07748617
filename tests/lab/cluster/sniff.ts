// What passes at a link, as tcpdump sees it: the proof that something did not arrive.

import { waitFor } from "../wait.ts";
import { hangSignal } from "../limits.ts";

/** A listening tcpdump. */
export interface Sniffer extends AsyncDisposable {
  /** Lines seen up to now, one a packet, link-level header included. */
  lines(): readonly string[];
  /** Waits until a line holds `text`; throws when none does within a few seconds. */
  hears(text: string, limitMs?: number): Promise<void>;
}

// A forgotten sniffer ends by itself: by time, and by count.
const LIMIT_MS = 120_000;
const LIMIT_PACKETS = "2000";

/** Listens at `link` of namespace `netns` (`any`: all links) and returns the sniffer once it hears. */
export async function sniff(netns: string, link: string, filter: string): Promise<Sniffer> {
  const child = new Deno.Command("nsenter", {
    args: [
      ...[`--net=/run/netns/${netns}`, "--", "tcpdump", "-l", "-n", "-e", "--immediate-mode"],
      ...["-c", LIMIT_PACKETS, "-i", link, filter],
    ],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: hangSignal(LIMIT_MS),
  }).spawn();
  const [out, err] = [gather(child.stdout), gather(child.stderr)];
  let ended = false;
  const status = child.status.then(() => void (ended = true));
  const stop = async () => {
    if (!ended) child.kill("SIGINT");
    await Promise.all([status, out.done, err.done]);
  };
  try {
    await waitFor(`tcpdump to listen at ${link}`, () => ended || /listening on/.test(err.text()));
    if (ended) throw new Error(`tcpdump at ${netns} ${link}: ${err.text()}`);
  } catch (error) {
    await stop();
    throw error;
  }
  const lines = () => out.text().split("\n").filter((line) => line !== "");
  return {
    lines,
    hears: async (text, limitMs = 10_000) => {
      const isThere = () => lines().some((line) => line.includes(text));
      await waitFor(`"${text}" at ${link}`, isThere, { limitMs });
    },
    [Symbol.asyncDispose]: stop,
  };
}

function gather(stream: ReadableStream<Uint8Array>): { text(): string; done: Promise<void> } {
  let text = "";
  const done = (async () => {
    for await (const part of stream.pipeThrough(new TextDecoderStream())) text += part;
  })();
  return { text: () => text, done };
}
