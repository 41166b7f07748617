import { assertEquals } from "@std/assert";
import { parseDoorRequest } from "../../../../lib/agent/server/door.ts";

const id = "0123456789ab";
const pod = { namespace: "default", name: "db-0", sandbox: id };
const cases = [
  {
    name: "a request",
    line: `setup default db-0 ${id} 17`,
    want: { command: { verb: "setup", pod }, reply: "17" },
  },
  {
    name: "an unknown verb",
    line: `init default db-0 ${id} 17`,
    want: { command: undefined, reply: "17" },
  },
  {
    name: "a missing word",
    line: `status default ${id} 17`,
    want: { command: undefined, reply: "17" },
  },
  { name: "..", line: `status default a..b ${id} 17`, want: { command: undefined, reply: "17" } },
  {
    name: "an invalid sandbox id",
    line: "status default a XY 17",
    want: { command: undefined, reply: "17" },
  },
  { name: "a path for the answer", line: `status default a ${id} ../17`, want: undefined },
  { name: "number 0", line: `status default a ${id} 0`, want: undefined },
  { name: "a number too long", line: `status default a ${id} 12345678901`, want: undefined },
  { name: "nothing", line: "", want: undefined },
];
for (const { name, line, want } of cases) {
  Deno.test(`parseDoorRequest() reads ${name}`, () => {
    assertEquals(parseDoorRequest(line) as unknown, want);
  });
}
