import { assertEquals } from "@std/assert";
import { steeringMask } from "../../../../lib/net/host/packet_steering.ts";

Deno.test("steeringMask() names all online processors, as the kernel writes them", () => {
  assertEquals(steeringMask("0-1\n0"), "00000003");
  assertEquals(steeringMask("0-3,6\n00"), "0000004f");
  assertEquals(steeringMask("0-35\n00,00000000"), "0000000f,ffffffff");
});

Deno.test("steeringMask() leaves a host with one processor, and processors that somebody has chosen", () => {
  for (const text of ["0\n0", "0-1\n2", "0-35\n00,00000010", "", "0-1\n"]) {
    assertEquals(steeringMask(text), undefined, text);
  }
});
