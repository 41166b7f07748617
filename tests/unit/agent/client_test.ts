import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { askAgent, parseResponse } from "../../../lib/agent/client.ts";
import { Fault } from "../../../lib/util/errors.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n";

Deno.test("parseResponse() waits for the whole response, however it is split", () => {
  const whole = bytes(`${HEAD}{"ä": 1}`);
  for (let length = 0; length < whole.length; length++) {
    assertEquals(parseResponse(whole.subarray(0, length)), undefined, `${length} bytes`);
  }
  assertEquals(parseResponse(whole), { status: 200, body: '{"ä": 1}' });
});

Deno.test("parseResponse() reads a response without a body, and headers in any case", () => {
  const empty = bytes("HTTP/1.0 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n");
  assertEquals(parseResponse(empty), { status: 503, body: "" });
  const upper = bytes("HTTP/1.1 404 Not Found\r\nCONTENT-LENGTH:2\r\n\r\n{}");
  assertEquals(parseResponse(upper), { status: 404, body: "{}" });
});

Deno.test("parseResponse() takes a lone carriage return in a header for no end", () => {
  const odd = bytes("HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 1\r\n\r\n1");
  assertEquals(parseResponse(odd), { status: 200, body: "1" });
});

Deno.test("a socket path above 107 bytes is refused with the limit, and not called unreachable", async () => {
  const socket = `/${"x".repeat(107)}`;
  const fault = await assertRejects(() => askAgent({ socket, path: "/v1/setup" }), Fault);
  assertEquals(fault.code, "usage"); // unavailable would be tried again and again
  assertStringIncludes(fault.message, `socket ${socket} is too long: it has 108 bytes`);
  assertStringIncludes(fault.message, "at most 107");
});
