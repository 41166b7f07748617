import { assertEquals } from "@std/assert";
import { parseContainer } from "../../../../lib/runtimes/docker/answers.ts";

const ID = "0123456789abcdef".repeat(4);

const whole = {
  Id: ID,
  Name: "/web",
  State: { Running: true, Pid: 4711 },
  Config: { Labels: { a: "b" } },
  HostConfig: { NetworkMode: "none" },
  NetworkSettings: { SandboxKey: "/var/run/docker/netns/0123456789ab" },
};

const parsed = {
  id: ID,
  name: "/web",
  pid: 4711,
  labels: { a: "b" },
  networkMode: "none",
  sandboxKey: "/var/run/docker/netns/0123456789ab",
};

const cases: readonly (readonly [of: string, text: string, want: unknown])[] = [
  ["a whole answer", JSON.stringify(whole), parsed],
  [
    "a stopped container, also where an old daemon left its pid",
    JSON.stringify({ ...whole, State: { Running: false, Pid: 4711 } }),
    { ...parsed, pid: 0 },
  ],
  [
    "an old daemon's answer, without labels and sandbox key",
    JSON.stringify({ ...whole, Config: { Labels: null }, NetworkSettings: {} }),
    { ...parsed, labels: {}, sandboxKey: "" },
  ],
  ["no JSON", "<html>", undefined],
  ["nothing", "", undefined],
  ["null", "null", undefined],
  ["a list", "[]", undefined],
  ["an id that is none", JSON.stringify({ ...whole, Id: "../x" }), undefined],
  [
    "a pid that is none",
    JSON.stringify({ ...whole, State: { Running: true, Pid: "1" } }),
    undefined,
  ],
  ["a negative pid", JSON.stringify({ ...whole, State: { Running: true, Pid: -1 } }), undefined],
];

for (const [of, text, want] of cases) {
  Deno.test(`parseContainer() of ${of} gives ${want ? "the container" : "nothing"}`, () => {
    assertEquals(parseContainer(text), want as ReturnType<typeof parseContainer>);
  });
}
