import { assertEquals, assertRejects } from "@std/assert";
import { unlessAborted } from "../../../lib/util/async/unless_aborted.ts";
import { piecesOf, readText } from "../../../lib/util/body.ts";

const encoder = new TextEncoder();

/** A body of `pieces` that then neither ends nor goes on, and reports when it is cancelled. */
function stalling(...pieces: Uint8Array[]) {
  const cancelled = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => pieces.forEach((piece) => controller.enqueue(piece)),
    cancel: () => cancelled.resolve(),
  });
  return { body, cancelled: cancelled.promise };
}

Deno.test("piecesOf() ends a read that waits when its signal aborts, and lets the body go", async () => {
  const { body, cancelled } = stalling(encoder.encode("one"));
  const stop = new AbortController();
  const pieces = piecesOf(body, stop.signal);
  assertEquals((await pieces.next()).value, encoder.encode("one"));
  const waiting = pieces.next();
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await cancelled;
});

Deno.test("piecesOf() lets the body go when its reader wants no more", async () => {
  const { body, cancelled } = stalling(encoder.encode("one"));
  for await (const _ of piecesOf(body, new AbortController().signal)) break;
  await cancelled;
});

Deno.test("readText() joins characters that were cut between pieces", async () => {
  const bytes = encoder.encode("grüße");
  const body = ReadableStream.from([bytes.slice(0, 3), bytes.slice(3)]);
  assertEquals(await readText(body, new AbortController().signal), "grüße");
  assertEquals(await readText(null, new AbortController().signal), "");
});

Deno.test("readText() refuses a body that is longer than its limit", async () => {
  const { body, cancelled } = stalling(encoder.encode("12345"));
  await assertRejects(() => readText(body, new AbortController().signal, 4), Error, "too long");
  await cancelled;
});

Deno.test("unlessAborted() returns what comes first: the work's end or the abort", async () => {
  const never = new Promise<never>(() => {});
  const stop = new AbortController();
  assertEquals(await unlessAborted(Promise.resolve(1), stop.signal), 1);
  const waiting = unlessAborted(never, stop.signal);
  stop.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await assertRejects(() => unlessAborted(never, stop.signal), Error, "enough");
});
