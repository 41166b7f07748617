import { assertEquals } from "@std/assert";
import { parseCniLine } from "../../../../lib/agent/server/cni_door.ts";
import { parseDoorRequest } from "../../../../lib/agent/server/door.ts";

const ADD = {
  command: "ADD",
  containerId: "0123456789ab",
  netns: "/run/netns/cni-1",
  ifname: "eth0",
  args: "IgnoreUnknown=1;K8S_POD_NAME=web-0",
  path: "/opt/cni/bin:/usr/lib/cni",
};
const lineOf = (input: typeof ADD) =>
  `cni =${input.command} =${input.containerId} =${input.netns} =${input.ifname} =${input.args} =${input.path}`;
const NONE = { containerId: "", netns: "", ifname: "", args: "" };

const cases = [
  { name: "a call", line: lineOf(ADD), want: ADD },
  {
    name: "values that are empty",
    line: "cni =STATUS = = = = =/opt/cni/bin",
    want: { ...ADD, ...NONE, command: "STATUS", path: "/opt/cni/bin" },
  },
  {
    name: "values that are all empty",
    line: "cni =GC = = = = =",
    want: { ...NONE, command: "GC", path: "" },
  },
  {
    name: "= in values",
    line: lineOf({ ...ADD, args: "=A==B=" }),
    want: { ...ADD, args: "=A==B=" },
  },
  { name: "an unknown command", line: lineOf({ ...ADD, command: "VERSION" }), want: undefined },
  { name: "a value too few", line: "cni =GC = = = =", want: undefined },
  { name: "a value too many", line: `${lineOf(ADD)} =`, want: undefined },
  { name: "a value without its =", line: "cni =GC a = = = =", want: undefined },
  {
    name: "a character out of the ordinary",
    line: lineOf({ ...ADD, args: "A=é" }),
    want: undefined,
  },
];
for (const { name, line, want } of cases) {
  Deno.test(`parseCniLine() reads ${name}`, () => {
    assertEquals(parseCniLine(line), want);
    assertEquals<unknown>(parseDoorRequest(`${line} 17`), { command: want, reply: "17" });
  });
}
