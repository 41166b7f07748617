import { assertEquals } from "@std/assert";
import { FreePorts } from "../../../../lib/agent/pods/free_ports.ts";

const RED = { tenant: "t", network: "red", tag: 7, mtu: 1400 };
const portOf = (name: string, more: Partial<typeof RED> = {}) => ({ ...RED, ...more, name });

Deno.test("FreePorts returns a network's ports in the order in which they became free, also after all were looked at, and counts them", () => {
  const ports = new FreePorts();
  for (const name of ["c", "a", "b"]) ports.add(portOf(name));
  ports.add(portOf("z", { tag: 8 }));
  assertEquals(ports.take(RED)?.name, "c");
  ports.add(portOf("c"));
  ports.replaceAll([portOf("c"), portOf("b"), portOf("d"), portOf("z", { tag: 8 })]);
  assertEquals(ports.take({ ...RED, mtu: 1300 }), undefined);
  const counts = [{}, { tag: 8 }, { mtu: 1300 }].map((more) => ports.count({ ...RED, ...more }));
  assertEquals(counts, [3, 1, 0]);
  assertEquals(ports.take({ ...RED, tag: 8 })?.name, "z");
  assertEquals([1, 2, 3, 4].map(() => ports.take(RED)?.name), ["b", "c", "d", undefined]);
});
