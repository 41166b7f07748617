import "./no_environment.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { parse } from "yaml";
import { intentOf } from "../../../lib/cli/intent_files.ts";
import type { IntentSource } from "../../../lib/cli/read_intent_file.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { exampleIntent } from "../../../lib/intent/examples/example.ts";
import { Fault } from "../../../lib/util/errors.ts";

const yaml = (text: string, name = "a.yaml"): IntentSource => ({ name, text });

/** Reads and checks sources as `intent check` does; returns the intent. */
async function check(sources: readonly IntentSource[], strict = false) {
  const input = await intentOf(sources, { strict });
  try {
    const { intent, warnings } = parseIntent(input.text, { strict });
    return { intent, input, warnings: [...input.warnings, ...warnings] };
  } catch (error) {
    throw error instanceof Fault ? await input.placed(error) : error;
  }
}

const TENANT = `
tenants:
  - name: t
    defaultNetType: vlan
    subnetPool: 10.0.0.0/8
    allocSubnetLen: 24
    vlans: 100-200`;

Deno.test("an intent may be YAML, with keys in any case, and comments", async () => {
  const { intent, warnings, input } = await check([yaml(`# ours${TENANT}
    networks:
      - {name: blue, pktTag: 0170, endpoints: [{container: web}]}
`)]);
  assertEquals(warnings, []);
  assertEquals(input.name, "a.yaml");
  const [network] = intent.tenants[0]!.networks;
  assertEquals([network?.tag, network?.endpoints[0]?.container], [170, "web"]);
});

Deno.test("the example as YAML is the same intent as the example as JSON", async () => {
  const text = JSON.stringify(parse(exampleIntent));
  const [one, two] = [await check([{ name: "x.json", text }]), await check([yaml(exampleIntent)])];
  assertEquals(two.intent, one.intent);
});

Deno.test("files of one intent are joined: hosts, tenants and networks of one name are one", async () => {
  const more: IntentSource = {
    name: "b.json",
    text:
      '{"Tenants":[{"Name":"t","Networks":[{"Name":"blue","Endpoints":[{"Container":"db"}]},{"Name":"red"}]}]}',
  };
  const { intent, input } = await check([
    yaml(`${TENANT}\n    networks: [{name: blue, endpoints: [{container: web}]}]`),
    more,
    yaml("---\nhosts: [{name: h1, intf: eth1}]\n---\nhosts: [{name: h2, intf: eth1}]", "-"),
  ]);
  assertEquals(input.name, "a.yaml, b.json, stdin");
  assertEquals(intent.hosts.map(({ name }) => name), ["h1", "h2"]);
  const networks = intent.tenants[0]!.networks
    .map(({ name, endpoints }) => [name, ...endpoints.map(({ container }) => container)]);
  assertEquals([intent.tenants.length, networks], [1, [["blue", "web", "db"], ["red"]]]);
});

const PLACES: readonly [
  what: string,
  sources: readonly IntentSource[],
  place: string,
  words: string,
][] = [
  [
    "a wrong value",
    [yaml(`${TENANT}\n    networks:\n      - name: blue\n        pktTag: x1`)],
    "a.yaml, line 10, column 17: ",
    'PktTag: "x1" is not a valid tag',
  ],
  [
    "a wrong value in JSON",
    [{ name: "i.json", text: '{\n  "hosts": [\n    {"name": "a b"}]}' }],
    "i.json, line 3, column 14: ",
    'name "a b" is not a valid name',
  ],
  [
    "a wrong value in the second file",
    [
      yaml(`${TENANT}\n    networks: [{name: blue, endpoints: [{container: web}]}]`),
      yaml(
        "tenants:\n- name: t\n  networks:\n  - name: blue\n    endpoints:\n    - container: db\n      mac: 1",
        "-",
      ),
    ],
    "stdin, line 7, column 12: ",
    "Mac",
  ],
  [
    "a missing value",
    [yaml("hosts:\n  - intf: eth1")],
    "a.yaml, line 2, column 5: ",
    "Hosts[0].Name is missing",
  ],
  [
    "a list in place of an object",
    [yaml("tenants:\n  - - a")],
    "a.yaml, line 2, column 5: ",
    "Tenants[0]",
  ],
  [
    "an unknown key under --strict",
    [yaml("tenants:\n  - nam: t")],
    "a.yaml, line 2, column 10: ",
    "Tenants[0].nam",
  ],
  [
    "another spelling",
    [yaml(`${TENANT}\n    networks:\n      - name: n\n        gateway: 1.2.3`)],
    "a.yaml, line 10, column 18: ",
    "DefaultGw",
  ],
  [
    "a key that is given twice",
    [yaml("hosts: []\nhosts: []")],
    "a.yaml is not valid YAML at line 2, column 1",
    "unique",
  ],
  ["a tab", [yaml("hosts:\n\t- name: a")], "a.yaml is not valid YAML at line 2, column 1", "Tabs"],
  [
    "an open list",
    [yaml("hosts: [\n", "-")],
    "stdin is not valid YAML at line 2, column 1",
    "Flow",
  ],
  [
    "an unknown tag",
    [yaml("hosts: !!python/object x")],
    "a.yaml is not valid YAML at line 1, column 8",
    "tag",
  ],
  ["a number that JSON lacks", [yaml("hosts: .inf")], "a.yaml is not accepted as YAML", "Infinity"],
  [
    "a value that contains itself",
    [yaml("hosts: &a [*a]")],
    "a.yaml is not accepted as YAML",
    "circular",
  ],
  ["text that is no intent", [yaml("just words", "-")], "intent is not an object", "start with"],
  [
    "files that disagree",
    [yaml(TENANT), yaml("tenants: [{name: t, vlans: 1-2}]", "b.yaml")],
    "Vlans of tenant t differs between two files",
    '"100-200" and "1-2"',
  ],
  ["no document at all", [yaml("# nothing\n")], "a.yaml is empty", "{}"],
];

for (const [what, sources, place, words] of PLACES) {
  Deno.test(`the place of ${what} is reported`, async () => {
    const fault = await assertRejects(() => check(sources, true), Fault);
    assertEquals(fault.code, "usage");
    assert(fault.message.startsWith(place), fault.message);
    assert(fault.message.includes(words), fault.message);
  });
}

Deno.test("aliases that multiply are refused, and do not take memory", async () => {
  const lines = Array.from(
    { length: 30 },
    (_, n) => n === 0 ? "a0: &a0 [x, x]" : `a${n}: &a${n} [*a${n - 1}, *a${n - 1}]`,
  );
  const fault = await assertRejects(() => check([yaml(lines.join("\n"))]), Fault);
  assertEquals(fault.code, "usage");
  assert(/alias/.test(fault.message), fault.message);
});

Deno.test("YAML of more than a MB is refused with the way out", async () => {
  const fault = await assertRejects(() => check([yaml("# x\n".repeat(300_000))]), Fault);
  assertEquals(
    fault.message,
    "a.yaml is too large for YAML: it has more than 1 MB; use JSON, or several files",
  );
});

Deno.test("unknown keys of YAML are warned of, as those of JSON are", async () => {
  const { warnings } = await check([yaml("hosts: []\nfoo: 1\n__proto__: 2\n<<: 3")]);
  assertEquals(warnings.map((one) => one.split(" ")[0]), ["foo", "__proto__", "<<"]);
});

Deno.test("a file of something else is not taken for an empty intent, alone or among others", async () => {
  const other = yaml("kind: Pod\nmetadata: {}");
  const hosts = yaml("hosts: [{name: h, intf: e}]");
  for (const sources of [[other], [hosts, other], [yaml("{}\n---\nkind: Pod")]]) {
    const fault = await assertRejects(() => check(sources), Fault);
    assert(/none of Hosts, Tenants, HostBindings/.test(fault.message), fault.message);
  }
  assertEquals((await check([yaml("{}")])).intent.hosts, []);
});
