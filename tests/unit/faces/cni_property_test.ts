// Random and broken calls of the CNI face, and random answers of the agent.

import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { runs } from "../cases.ts";
import { callOf } from "../cni/cni_cases.ts";
import { type Agent, call, DONE, gone } from "./cni_call.ts";

/** Text that is often nearly right. */
const word = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom("", "eth0", "a".repeat(64), "/run/netns/a", "..", "lo", "/"),
  },
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ minLength: 250, maxLength: 300 }),
);
const anyArgs = fc.oneof(
  word,
  fc.array(fc.tuple(
    fc.constantFrom("IP", "MAC", "K8S_POD_NAME", "K8S_POD_UID", "IgnoreUnknown", "A", ""),
    fc.oneof(fc.constantFrom("1", "10.1.2.3", "fd00::1", "02:02:0a:01:02:03", "="), word),
  )).map((pairs) => pairs.map((pair) => pair.join("=")).join(";")),
);
const KEYS = [
  "name",
  "cniVersion",
  "socket",
  "tenant",
  "network",
  "endpoint",
  "dns",
  "runtimeConfig",
]
  .concat("prevResult", "cni.dev/valid-attachments", "cni.dev/attachments", "__proto__", "a");
const anyValue = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom("1.1.0", "1.0.0", "blue", "/a.sock", null, {}, [], -1),
  fc.record({ ips: fc.jsonValue(), interfaces: fc.jsonValue(), routes: fc.jsonValue() }, {
    requiredKeys: [],
  }),
  fc.record({ mac: word, ips: fc.array(word), dns: fc.jsonValue() }, { requiredKeys: [] }),
);
const anyConfig = fc.oneof(
  { weight: 4, arbitrary: fc.dictionary(fc.constantFrom(...KEYS), anyValue) },
  fc.jsonValue(),
).map((value) => JSON.stringify(value));

/** Configurations with a wrong key, cut off, changed in one place, or of random bytes. */
const anyBytes: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 4, arbitrary: anyConfig.map((text) => new TextEncoder().encode(text)) },
  fc.tuple(anyConfig, fc.nat()).map(([text, at]) =>
    new TextEncoder().encode(text.slice(0, at % (text.length + 1)))
  ),
  fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })).map(([at, byte]) => {
    const bytes = new TextEncoder().encode(callOf("CHECK").config);
    bytes[at % bytes.length] = byte;
    return bytes;
  }),
  fc.tuple(fc.constantFrom(...KEYS), anyValue).map(([key, value]) =>
    new TextEncoder().encode(callOf("ADD", { [key]: value }).config)
  ),
  fc.uint8Array({ maxLength: 100 }),
);
const COMMANDS = ["ADD", "DEL", "CHECK", "GC", "STATUS"];
const anyCall = fc.constantFrom(...COMMANDS).chain((command) => {
  const input = callOf(command);
  const mostly = (good: string, other = word) =>
    fc.oneof({ weight: 4, arbitrary: fc.constant(good) }, other);
  return fc.record({
    command: mostly(command),
    containerId: mostly(input.containerId),
    netns: mostly(input.netns),
    ifname: mostly(input.ifname),
    args: mostly(input.args, anyArgs),
    path: mostly(input.path),
    config: fc.constant(input.config),
    bytes: fc.oneof(anyBytes, fc.constant(new TextEncoder().encode(input.config))),
  });
});
const anyAgent: fc.Arbitrary<Agent> = fc.oneof(
  fc.constantFrom<Agent>(() => DONE, gone, () => ({ exit: 0, output: '{"cniVersion":"1.0.0"}' })),
  fc.jsonValue().map((value) => () => value),
  fc.record({
    exit: fc.constantFrom(0, 1),
    output: fc.oneof(fc.json(), fc.constant('{"code":11,"msg":"a\\nb"}')),
    isTransient: fc.boolean(),
  }).filter(({ exit, output }) => exit === 1 || output !== "").map((value) => () => value),
);

Deno.test("whatever is passed and answered: one JSON value or nothing, exit 0 or 1, no unforeseen error", async () => {
  let [good, all] = [0, 0];
  await fc.assert(
    fc.asyncProperty(anyCall, anyAgent, async ({ bytes, ...input }, agent) => {
      const { exit, out, err, requests } = await call(input, { agent, config: bytes });
      all++;
      if (requests.length > 0) good++;
      assertEquals(exit === 0 || exit === 1, true);
      assertEquals(out === "" || /^[^\n]*\n$/.test(out), true, out);
      if (out !== "") JSON.parse(out);
      if (exit === 1 || input.command === "VERSION") assertEquals(out === "", false);
      assertEquals(out.includes("unexpected error"), false, out);
      for (const line of err) assertMatch(line, /^k8contivnet: [^\n]+$/, out);
    }),
    runs(8_000),
  );
  // The inputs are not all broken.
  assertEquals(good > all / 20, true, `${good} of ${all} calls reached the agent`);
});
