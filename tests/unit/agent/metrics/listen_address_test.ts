import { assertEquals, assertThrows } from "@std/assert";
import { parseListen } from "../../../../lib/agent/metrics/listen_address.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const places = (...texts: string[]) =>
  parseListen(texts, "/token").addresses.map((one) =>
    one.kind === "unix" ? one.path : [one.hostname, one.port]
  );

Deno.test("--listen takes addresses with a port, and unix sockets", () => {
  assertEquals(places("127.0.0.1:9430"), [["127.0.0.1", 9430]]);
  assertEquals(places("localhost:1"), [["127.0.0.1", 1]]);
  assertEquals(places("[::1]:65535"), [["::1", 65535]]);
  assertEquals(places(":9430"), [["::", 9430]]);
  assertEquals(places("0.0.0.0:9430", "unix:/run/m.sock"), [["0.0.0.0", 9430], "/run/m.sock"]);
  assertEquals(places("127.0.0.1:1, unix:///run/m.sock"), [["127.0.0.1", 1], "/run/m.sock"]);
});

Deno.test("--listen refuses what is not an address, with a way out", () => {
  const wrong = [
    "",
    ":",
    "9430",
    "host:9430",
    "1.2.3:9",
    "1.2.3.256:9",
    "01.2.3.4:9",
    "[1.2.3.4]:9",
  ];
  wrong.push(
    "[::g]:9",
    "::1:9430",
    "127.0.0.1:",
    "127.0.0.1:http",
    "127.0.0.1:123456",
    "unix:m.sock",
  );
  for (const text of wrong) {
    const fault = assertThrows(() => parseListen([text], "/token"), Fault, "is not an address");
    assertEquals([fault.code, fault.fix !== undefined], ["usage", true], text);
  }
  for (const port of ["0", "65536", "99999"]) {
    assertThrows(() => parseListen([`127.0.0.1:${port}`], undefined), Fault, "out of range");
  }
  assertThrows(() => parseListen([`unix:/${"x".repeat(120)}`], undefined), Fault, "too long");
});

Deno.test("without a token only this host can read", () => {
  for (
    const text of ["127.0.0.1:1", "127.8.9.10:1", "[::1]:1", "[0:0::1]:1", "localhost:1", "unix:/m"]
  ) {
    assertEquals(parseListen([text], undefined).addresses.length, 1, text);
  }
  for (
    const text of [
      ":1",
      "0.0.0.0:1",
      "192.0.2.1:1",
      "[::]:1",
      "[2001:db8::1]:1",
      "[::ffff:127.0.0.1]:1",
    ]
  ) {
    const fault = assertThrows(() => parseListen(["127.0.0.1:1", text], undefined), Fault);
    assertEquals(fault.fix, "add --listen-token-file FILE, or use 127.0.0.1:PORT", text);
    assertEquals(parseListen([text], "/token").tokenFile, "/token");
  }
  assertThrows(() => parseListen([], "/token"), Fault, "--listen-token-file needs --listen");
});
