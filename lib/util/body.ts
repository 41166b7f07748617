// HTTP answers and their bodies under a signal that really ends them.
//
// Deno 2.9.6 forgets fetch's signal when garbage is collected while only the body is held: an abort
// then does nothing, and a read waits for ever. So what waits is ended here.

/** Returns what `work` gives. Faults: of the work; the signal's reason, when it aborts first. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const end = () => reject(signal.reason);
  if (signal.aborted) end();
  signal.addEventListener("abort", end);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** Returns a body piece by piece. Faults: the signal's reason, when it aborts; what breaks the read. */
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

/** Returns a body as text, UTF-8. Faults: as piecesOf(), and where it is longer than `limit` characters. */
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
