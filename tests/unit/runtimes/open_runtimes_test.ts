import { assertEquals, assertThrows } from "@std/assert";
import { openRuntimes, parseDockerAddress } from "../../../lib/runtimes/open_runtimes.ts";
import { parseStartTime } from "../../../lib/runtimes/proc.ts";
import { Fault } from "../../../lib/util/errors.ts";

Deno.test("parseDockerAddress() reads all ways of writing a unix socket, and none", () => {
  assertEquals(parseDockerAddress("unix:/var/run/docker.sock"), "/var/run/docker.sock");
  assertEquals(parseDockerAddress("unix:///var/run/docker.sock"), "/var/run/docker.sock");
  assertEquals(parseDockerAddress("/var/run/docker.sock"), "/var/run/docker.sock");
  assertEquals(parseDockerAddress("none"), undefined);
});

for (
  const address of [
    "",
    "unix:",
    "/",
    "//docker.sock",
    "docker.sock",
    "unix:docker.sock",
    "unix://docker.sock",
    "tcp://1.2.3.4:2375",
  ]
) {
  Deno.test(`openRuntimes() refuses Docker at "${address}"`, () => {
    const fault = assertThrows(() => openRuntimes({ docker: address }), Fault, "--docker");
    assertEquals(fault.code, "usage");
  });
}

Deno.test("parseStartTime() is not misled by the program's name", () => {
  const rest = Array.from({ length: 50 }, (_, n) => n + 3).join(" ");
  assertEquals(parseStartTime(`12 (sleep) ${rest}`), 22);
  assertEquals(parseStartTime(`12 (a) S 1 (b) ) ${rest}\n`), 22);
  assertEquals(parseStartTime(""), undefined);
  assertEquals(parseStartTime("12 (sleep) S 1"), undefined);
});
