import { assertEquals } from "@std/assert";
import { EtcdKeys, nextKey, toText } from "../../../../lib/store/etcd/etcd_keys.ts";

const keys = new EtcdKeys("/root");
const encoder = new TextEncoder();
const order = (a: Uint8Array, b: Uint8Array): number => {
  const at = a.findIndex((byte, n) => byte !== b[n]);
  return at < 0 ? a.length - b.length : (a[at] ?? 0) - (b[at] ?? -1);
};
const contains = (prefix: string, key: Uint8Array) => {
  const { key: first, "range_end": end } = keys.range(prefix);
  return order(first, key) <= 0 && order(key, end) < 0;
};

Deno.test("range() contains the keys with its prefix, and never an idempotency key", () => {
  const all = ["a", "a/", "a/b", "a0", "b", "\u{10ffff}"];
  for (const prefix of ["", "a", "a/", "\u{10ffff}"]) {
    const found = all.filter((key) => contains(prefix, keys.bytes(key)));
    assertEquals(found, all.filter((key) => key.startsWith(prefix)), prefix);
    assertEquals(contains(prefix, keys.idempotencyKey("client/0")), false);
    assertEquals(contains(prefix, encoder.encode("/rootless/a")), false);
  }
});

Deno.test("watchRange() contains the watermark in a watch of everything, and no idempotency key", () => {
  const isWatched = (prefix: string, key: Uint8Array) => {
    const { key: first, "range_end": end } = keys.watchRange(prefix);
    return order(first, key) <= 0 && order(key, end) < 0;
  };
  assertEquals(["", "a"].map((prefix) => isWatched(prefix, keys.watermark)), [true, false]);
  assertEquals(contains("", keys.watermark), false);
  const client = "ffffffff-ffff-4fff-bfff-ffffffffffff";
  assertEquals(isWatched("", keys.idempotencyKey(`${client}/9`)), false);
  assertEquals(isWatched("", keys.bytes("a")), true);
  assertEquals(keys.isWatermark({ key: keys.watermark }), true);
  assertEquals(keys.isWatermark({ key: keys.bytes("a") }), false);
});

Deno.test("entry() reads what the gateway and gRPC send, also text beyond ASCII and no JSON", () => {
  const bytes = (text: string) => encoder.encode(text);
  for (const convert of [bytes, (text: string) => bytes(text).toBase64()]) {
    const pair = (value: string) => ({
      key: convert("/root/ä"),
      value: convert(value),
      "mod_revision": "7",
    });
    assertEquals(keys.entry(pair('{"n":"é"}')), { key: "ä", value: { n: "é" }, revision: 7 });
    assertEquals(keys.entry(pair("no JSON")).value, "no JSON");
    assertEquals(keys.change(true, pair("1")).value, undefined);
  }
});

Deno.test("toText() keeps a byte order mark, and nextKey() is the next key in etcd's order", () => {
  assertEquals(toText(encoder.encode("\ufeffa")), "\ufeffa");
  assertEquals(nextKey(encoder.encode("a")), new Uint8Array([97, 0]));
});
