import { assertEquals, assertStringIncludes } from "@std/assert";
import { readConfig } from "../../../lib/faces/cni_stdin.ts";
import { callOf } from "../cni/cni_cases.ts";
import { call, readerOf } from "./cni_call.ts";

Deno.test("standard input is read in any pieces, also within a character, up to 1 MiB", async () => {
  const text = '{"name":"blüe 😀"}';
  for (const size of [1, 2, 3, 7, 65_536]) {
    assertEquals(await readConfig(readerOf(new TextEncoder().encode(text), size)), text);
  }
  const input = callOf("ADD");
  const full = new TextEncoder().encode(input.config.padEnd(1024 * 1024));
  assertEquals((await call(input, { config: full })).exit, 0);
  const more = new TextEncoder().encode(input.config.padEnd(1024 * 1024 + 1));
  const { exit, out } = await call(input, { config: more });
  assertEquals([exit, JSON.parse(out).code], [1, 5]);
  assertStringIncludes(out, "too long");
});

Deno.test("a standard input that never ends is given up", async () => {
  const endless = { read: () => new Promise<null>(() => {}) };
  const error = await readConfig(endless, 20).catch((caught) => caught);
  assertEquals([error.code, error.message], [5, "standard input did not end in 0.02 s"]);
});

Deno.test("a standard input that cannot be read is named", async () => {
  const read = () => Promise.reject(new Deno.errors.IsADirectory("Is a directory (os error 21)"));
  const error = await readConfig({ read }).catch((caught) => caught);
  assertEquals([error.code, error.details], [5, "Is a directory"]);
});
