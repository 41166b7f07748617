import { assertEquals } from "@std/assert";
import { parseCniLine, parseVariables } from "../../../../lib/agent/server/cni_door.ts";
import { variablesOf } from "../../../fixtures/cni_variables.ts";
import { parseDoorRequest } from "../../../../lib/agent/server/door.ts";

const ADD = {
  command: "ADD",
  containerId: "0123456789ab",
  netns: "/run/netns/cni-1",
  ifname: "eth0",
  args: "IgnoreUnknown=1;K8S_POD_NAME=web-0",
  path: "/opt/cni/bin:/usr/lib/cni",
};
const environmentOf = (input: typeof ADD, more: readonly string[] = []) =>
  [...Object.entries(variablesOf(input)).map(([name, value]) => `${name}=${value}`), ...more]
    .map((one) => `${one}\0`).join("");
const NONE = { containerId: "", netns: "", ifname: "", args: "" };

const cases = [
  { name: "a call", text: environmentOf(ADD), want: ADD },
  {
    name: "values among others",
    text: environmentOf(ADD, ["PATH=/bin", "CNI_NETNS_OVERRIDE=1", "XCNI_PATH=/", "A"]),
    want: ADD,
  },
  {
    name: "values that are empty or not set",
    text: "CNI_COMMAND=STATUS\0CNI_ARGS=\0CNI_PATH=/opt/cni/bin\0",
    want: { ...ADD, ...NONE, command: "STATUS", path: "/opt/cni/bin" },
  },
  { name: "only a command", text: "CNI_COMMAND=GC\0", want: { ...NONE, command: "GC", path: "" } },
  {
    name: "= in values",
    text: environmentOf({ ...ADD, args: "=A==B=" }),
    want: { ...ADD, args: "=A==B=" },
  },
  { name: "no variable", text: "", want: undefined },
  {
    name: "an unknown command",
    text: environmentOf({ ...ADD, command: "VERSION" }),
    want: undefined,
  },
  {
    name: "a character out of the ordinary",
    text: environmentOf({ ...ADD, args: "A=é" }),
    want: undefined,
  },
  {
    name: "a newline",
    text: environmentOf({ ...ADD, ifname: "eth0\n" }),
    want: undefined,
  },
  {
    name: "a value that is too long",
    text: environmentOf({ ...ADD, args: "A".repeat(4_001) }),
    want: undefined,
  },
];
for (const { name, text, want } of cases) {
  Deno.test(`parseVariables() reads ${name}`, () => {
    assertEquals<unknown>(parseVariables(text), want);
  });
}

const lines = [
  { line: "cni 1", want: { pid: 1 } },
  { line: "cni 4194304", want: { pid: 4_194_304 } },
  { line: "cni 0", want: undefined },
  { line: "cni -1", want: undefined },
  { line: "cni 12345678", want: undefined },
  { line: "cni 1 2", want: undefined },
  { line: "cni =ADD =a = = = =", want: undefined },
];
for (const { line, want } of lines) {
  Deno.test(`parseCniLine() reads ${JSON.stringify(line)}`, () => {
    assertEquals(parseCniLine(line), want);
    assertEquals<unknown>(parseDoorRequest(`${line} 17`), { command: want, reply: "17" });
  });
}
