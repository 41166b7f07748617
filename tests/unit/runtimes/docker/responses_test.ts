import { assertEquals } from "@std/assert";
import {
  parseContainer,
  parseEvent,
  parseList,
} from "../../../../lib/runtimes/docker/responses.ts";

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
  ["an invalid id", JSON.stringify({ ...whole, Id: "../x" }), undefined],
  [
    "an invalid pid",
    JSON.stringify({ ...whole, State: { Running: true, Pid: "1" } }),
    undefined,
  ],
  ["a negative pid", JSON.stringify({ ...whole, State: { Running: true, Pid: -1 } }), undefined],
];

for (const [of, text, want] of cases) {
  Deno.test(`parseContainer() of ${of} returns ${want ? "the container" : "nothing"}`, () => {
    assertEquals(parseContainer(text), want as ReturnType<typeof parseContainer>);
  });
}

const listed = { id: ID, name: "web", labels: { a: "b" }, networkMode: "none" };
const entry = {
  Id: ID,
  Names: ["/other/alias", "/web"],
  Labels: { a: "b" },
  HostConfig: { NetworkMode: "none" },
};

const lists: readonly (readonly [of: string, value: unknown, want: unknown])[] = [
  ["one container, by its own name and not a link's", [entry], [listed]],
  ["nothing", [], []],
  [
    "an old daemon, without labels and network modes",
    [{ Id: ID, Names: ["/web"] }],
    [{ ...listed, labels: {}, networkMode: "" }],
  ],
  ["a container without a name", [{ ...entry, Names: null }], [{ ...listed, name: "" }]],
  ["invalid entries", [null, 7, "x", { Id: "../etc" }, entry], [listed]],
  ["an error", { message: "no" }, undefined],
  ["null", null, undefined],
];

for (const [of, value, want] of lists) {
  Deno.test(`parseList() of ${of} returns ${want ? "the containers" : "nothing"}`, () => {
    assertEquals(parseList(JSON.stringify(value)), want as ReturnType<typeof parseList>);
  });
}

const events: readonly (readonly [of: string, value: unknown, want: unknown])[] = [
  [
    "a daemon of 2020",
    {
      ...{ status: "start", id: ID, Type: "container", Action: "start" },
      Actor: { ID, Attributes: { name: "web", image: "bb", a: "b" } },
    },
    { action: "start", id: ID, naming: { name: "web", labels: { image: "bb", a: "b" } } },
  ],
  [
    "API 1.52, which has dropped the old fields",
    { Type: "container", Action: "die", Actor: { ID, Attributes: { name: "web" } } },
    { action: "die", id: ID, naming: { name: "web", labels: {} } },
  ],
  [
    "Docker 1.6, which knows only the old fields",
    { status: "die", id: ID, from: "bb:latest", time: 1 },
    { action: "die", id: ID, naming: undefined },
  ],
  ["an image", { Type: "image", Action: "pull", Actor: { ID: "bb" } }, undefined],
  ["a network", { Type: "network", Action: "start", Actor: { ID } }, undefined],
  ["an invalid id", { Type: "container", Action: "start", Actor: { ID: ".." } }, undefined],
  ["nothing that happened", { Type: "container", Actor: { ID } }, undefined],
  ["a list", [], undefined],
];

for (const [of, value, want] of events) {
  Deno.test(`parseEvent() of ${of} returns ${want ? "the event" : "nothing"}`, () => {
    assertEquals(parseEvent(JSON.stringify(value)), want as ReturnType<typeof parseEvent>);
  });
}
