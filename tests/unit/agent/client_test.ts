import { assertEquals } from "@std/assert";
import { parseResponse } from "../../../lib/agent/client.ts";

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
