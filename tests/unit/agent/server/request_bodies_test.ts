// The bodies of requests, field by field. What server.ts does with them is in server_test.ts.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { INTENT_BYTES } from "../../../../lib/agent/api/intent_requests.ts";
import {
  bindingOf,
  type Body,
  hostOf,
  intentOf,
  podNameOf,
  podOf,
  readBody,
  traceOf,
} from "../../../../lib/agent/server/request_bodies.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const ID = "0123456789abcdef";
const POD = { namespace: "default", name: "web", sandbox: ID };
const TRACE = { source: "web", destination: "10.9.0.1", protocol: "tcp", port: 80 };

const requestOf = (body: BodyInit) => new Request("http://agent/", { method: "POST", body });

/** Asserts that `parse` refuses the body as usage, and that `part` is in the message. */
function assertRefused(parse: (body: Body) => unknown, body: object, part: string): void {
  const fault = assertThrows(() => parse(body as Body), Fault, part);
  assertEquals(fault.code, "usage");
}

Deno.test("readBody() returns the fields of a JSON object, in whatever parts it comes", async () => {
  assertEquals(await readBody(requestOf('{"a": 1, "b": {"c": null}}')), { a: 1, b: { c: null } });
  const bytes = new TextEncoder().encode('{"name":"Zürich€"}');
  const parts = ReadableStream.from([...bytes].map((byte) => Uint8Array.of(byte)));
  assertEquals(await readBody(requestOf(parts)), { name: "Zürich€" });
});

Deno.test("readBody() takes a body of just the limit and refuses one byte more", async () => {
  const limit = 2 * INTENT_BYTES;
  const bodyOf = (length: number) =>
    requestOf(new Blob(['{"a":"', "x".repeat(length - 8), '"}']).stream());
  assertEquals(String((await readBody(bodyOf(limit))).a).length, limit - 8);
  const fault = await assertRejects(
    () => readBody(bodyOf(limit + 1)),
    Fault,
    `over ${limit} bytes`,
  );
  assertEquals(fault.code, "usage");
  assert(fault.fix);
});

Deno.test("readBody() refuses what is not a JSON object", async () => {
  for (const text of ["", "{", "[]", '[{"a":1}]', "null", "7", '"a"']) {
    const fault = await assertRejects(() => readBody(requestOf(text)), Fault, "not a JSON object");
    assertEquals(fault.code, "usage", text);
  }
});

Deno.test("podOf() returns namespace, name and sandbox, and nothing else of the body", () => {
  assertEquals(podOf({ ...POD, more: 1 }), POD);
});

for (const key of ["namespace", "name", "sandbox"] as const) {
  Deno.test(`podOf() refuses a body whose ${key} is missing, is not text, or is not valid`, () => {
    for (const wrong of [undefined, null, 7, ["x"], {}]) {
      assertRefused(podOf, { ...POD, [key]: wrong }, `"${key}"`);
    }
    for (const wrong of ["", "a/b", "../x", "a b", "-x", "x".repeat(254)]) {
      assertRefused(podOf, { ...POD, [key]: wrong }, wrong.slice(0, 20));
    }
  });
}

Deno.test("podOf() takes ids of 12 to 64 lower-case hex digits only", () => {
  for (const sandbox of ["a".repeat(12), "0".repeat(64)]) {
    assertEquals(podOf({ ...POD, sandbox }).sandbox, sandbox);
  }
  for (const sandbox of ["a".repeat(11), "a".repeat(65), "A".repeat(12), "g".repeat(12)]) {
    assertRefused(podOf, { ...POD, sandbox }, "id");
  }
});

Deno.test("podNameOf() needs no sandbox, and takes names as long as Kubernetes has them", () => {
  const name = "x".repeat(253);
  assertEquals(podNameOf({ namespace: "default", name }), { namespace: "default", name });
  assertRefused(podNameOf, { namespace: "default" }, '"name"');
});

Deno.test("hostOf() returns a host's label, or refuses it", () => {
  assertEquals(hostOf({ host: "node-1.example" }), "node-1.example");
  for (const host of [undefined, 7, "", "a/b", "x".repeat(254)]) {
    assertRefused(hostOf, { host }, "host");
  }
});

Deno.test("intentOf() knows four modes; force and strict are true only where the body says true", () => {
  for (const mode of ["add", "replace", "delete", "bindings"]) {
    assertEquals<unknown>(intentOf({ mode, text: "{}" }), {
      ...{ mode, text: "{}", force: false, strict: false },
    });
  }
  const both = intentOf({ mode: "add", text: "", force: true, strict: true });
  assertEquals([both.force, both.strict], [true, true]);
  const neither = intentOf({ mode: "add", text: "", force: "true", strict: 1 });
  assertEquals([neither.force, neither.strict], [false, false]);
  for (const mode of [undefined, "", "ADD", "remove", 1]) {
    assertRefused(intentOf, { mode, text: "{}" }, "mode");
  }
  for (const text of [undefined, {}, 1]) assertRefused(intentOf, { mode: "add", text }, '"text"');
});

Deno.test("bindingOf() is a bindings file of one line, with an AttachUUID where one is named", () => {
  const linesOf = (body: object) => {
    const { mode, text } = bindingOf(body as Body);
    assertEquals(mode, "bindings");
    return JSON.parse(text);
  };
  assertEquals(linesOf({ pod: "web", host: "host1" }), [{ Container: "web", Host: "host1" }]);
  assertEquals(linesOf({ pod: "web", host: "host1", attachUuid: ID }), [
    { Container: "web", Host: "host1", AttachUUID: ID },
  ]);
});

for (
  const [what, change] of [
    ['"pod"', { pod: undefined }],
    ['"pod"', { pod: 7 }],
    ['"host"', { host: undefined }],
    ['"host"', { host: null }],
    ['"attachUuid"', { attachUuid: 123_456_789_012 }],
    ["pod", { pod: "a b" }],
    ["pod", { pod: "" }],
    ["host", { host: "a/b" }],
    ["id", { attachUuid: "abc" }],
    ["id", { attachUuid: "../../etc" }],
  ] as const
) {
  Deno.test(`bindingOf() refuses ${Deno.inspect(change)}`, () => {
    assertRefused(bindingOf, { pod: "web", host: "host1", ...change }, what);
  });
}

Deno.test("traceOf() returns the packet; without a port it is 0", () => {
  assertEquals<unknown>(traceOf(TRACE), TRACE);
  for (const protocol of ["tcp", "udp", "icmp"] as const) {
    assertEquals(traceOf({ ...TRACE, protocol, port: undefined }).port, 0);
    assertEquals(traceOf({ ...TRACE, protocol }).protocol, protocol);
  }
  for (const port of [0, 1, 65_535]) assertEquals(traceOf({ ...TRACE, port }).port, port);
});

for (
  const [what, change] of [
    ["protocol", { protocol: undefined }],
    ["protocol", { protocol: "sctp" }],
    ["protocol", { protocol: "TCP" }],
    ["port -1", { port: -1 }],
    ["port 65536", { port: 65_536 }],
    ["port 1.5", { port: 1.5 }],
    ["port NaN", { port: "http" }],
    ['"source"', { source: undefined }],
    ['"destination"', { destination: 7 }],
  ] as const
) {
  Deno.test(`traceOf() refuses ${Deno.inspect(change)} and names ${what}`, () => {
    assertRefused(traceOf, { ...TRACE, ...change }, what);
  });
}
