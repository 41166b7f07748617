import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { readLines } from "../../../lib/kube/read_lines.ts";

const FOR_EVER = new AbortController().signal;

function streamOf(bytes: Uint8Array, sizes: readonly number[]): ReadableStream<Uint8Array> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(new Uint8Array(bytes.subarray(at, at + size)));
    at += size;
  }
  return ReadableStream.from(chunks);
}

Deno.test("lines() returns the same lines however the stream is cut, also within a character", async () => {
  const line = fc.string({ unit: "grapheme" }).map((text) => text.replaceAll("\n", ""));
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1 });
  await fc.assert(fc.asyncProperty(fc.array(line), sizes, async (wanted, sizes) => {
    const bytes = new TextEncoder().encode(wanted.map((text) => `${text}\n`).join(""));
    const got = await Array.fromAsync(readLines(streamOf(bytes, sizes), FOR_EVER));
    assertEquals(
      got,
      wanted.map((text) => text.replace(/^\uFEFF/, "")).filter((text) => text !== ""),
    );
  }));
});

Deno.test("lines() leaves out what is cut off at the end", async () => {
  const bytes = new TextEncoder().encode("whole\nhal");
  assertEquals(await Array.fromAsync(readLines(streamOf(bytes, [4]), FOR_EVER)), ["whole"]);
});
