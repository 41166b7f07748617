// Bodies of HTTP responses, read under a signal that really ends the read.
//
// Deno 2.9.6 forgets the signal of a fetch when garbage is collected while only the body is referenced: an
// abort then does nothing, and a read waits for ever. So the reads are ended here, and the wait for the
// response by unlessAborted().

/** Returns a body piece by piece. Faults: the signal's reason, when it aborts; of the read. */
export async function* piecesOf(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  const end = () => void reader.cancel().catch(() => {});
  signal.addEventListener("abort", end);
  try {
    while (true) {
      signal.throwIfAborted();
      const { done, value } = await reader.read();
      signal.throwIfAborted();
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", end);
    end();
  }
}

/** Returns a body as text, UTF-8. Faults: as piecesOf(); an Error, beyond `limit` characters. */
export async function readText(
  body: ReadableStream<Uint8Array> | null,
  signal: AbortSignal,
  limit = Infinity,
): Promise<string> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  let length = 0;
  for await (const piece of body ? piecesOf(body, signal) : []) {
    parts.push(decoder.decode(piece, { stream: true }));
    length += parts.at(-1)!.length;
    if (length > limit) throw new Error("the answer is too long");
  }
  return parts.join("") + decoder.decode();
}
