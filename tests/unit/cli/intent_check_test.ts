// What `intent check` warns of, and what it refuses.

import "./no_environment.ts";
import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { intent } from "../../../lib/cli/intent.ts";
import { intentOf } from "../../../lib/cli/intent_files.ts";
import type { CommonOptions } from "../../../lib/cli/shell.ts";
import {
  type NetworkDraft,
  newTenantWarnings,
  type TenantDraft,
  whatNewNeeds,
} from "../../../lib/intent/new_tenant.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

/** Reads and checks a YAML text. */
async function check(text: string) {
  const { text: json } = await intentOf([{ name: "a.yaml", text }], { strict: true });
  const parsed = parseIntent(json, { strict: true });
  assertEquals(parsed.warnings, []);
  return parsed.intent;
}

/** Returns what `intent check` warns of if the store may not have the tenants. */
async function warningsOf(text: string): Promise<string[]> {
  const { tenants } = await check(text);
  return tenants.flatMap(newTenantWarnings);
}

Deno.test("a tenant that could not be created with the file is warned of, as the store may have it", async () => {
  const text = "tenants: [{name: acme}, {name: b, subnetPool: 10.0.0.0/16}]";
  assertEquals(await warningsOf(text), [
    "tenant acme has no DefaultNetType, SubnetPool, AllocSubnetLen: needed if it is new",
    "tenant b has no DefaultNetType, AllocSubnetLen: needed if it is new",
  ]);
  const whole = "{name: c, defaultNetType: vlan, subnetPool: 10.0.0.0/16, allocSubnetLen: 24}";
  assertEquals(await warningsOf(`tenants: [${whole}]`), []);
});

const WHOLE = "name: c, subnetPool: 10.0.0.0/16, allocSubnetLen: 24";
const noRanges = (key: string, network = "n") =>
  `tenant c has no ${key}: needed if it is new, as network ${network} has no PktTag`;

for (
  const [fields, warnings] of [
    ["defaultNetType: vxlan, networks: [{name: n}, {name: m}]", [noRanges("Vxlans")]],
    ["defaultNetType: vlan, networks: [{name: n}]", [noRanges("Vlans")]],
    ['defaultNetType: vlan, vlans: "", networks: [{name: n}]', [noRanges("Vlans")]],
    ["defaultNetType: vlan, networks: [{name: n, pktTag: 12}]", []],
    ['defaultNetType: vlan, vlans: "11-12", networks: [{name: n}]', []],
    ["defaultNetType: vlan, networks: []", []],
    [
      'defaultNetType: vlan, vlans: "11-12", networks: [{name: n}, {name: m, pktTagType: vxlan}]',
      [noRanges("Vxlans", "m")],
    ],
    ["networks: [{name: n}]", [
      "tenant c has no DefaultNetType: needed if it is new",
      noRanges("Vxlans"),
    ]],
    ['vlans: "11-12", networks: [{name: n}]', [
      "tenant c has no DefaultNetType: needed if it is new",
    ]],
  ] as const
) {
  Deno.test(`tags that a new tenant with ${fields} could not choose are warned of`, async () => {
    assertEquals(await warningsOf(`tenants: [{${WHOLE}, ${fields}}]`), [...warnings]);
  });
}

const draft = { name: "shop" };
const POOL = '"SubnetPool": "10.1.0.0/16"';
const suggestions: readonly (readonly [TenantDraft, readonly NetworkDraft[], string])[] = [
  [draft, [], `"DefaultNetType": "vxlan", ${POOL}, "AllocSubnetLen": 24`],
  [
    draft,
    [{ name: "front" }],
    `"DefaultNetType": "vxlan", ${POOL}, "AllocSubnetLen": 24, "Vxlans": "10001-14000"`,
  ],
  [
    { ...draft, defaultNetType: "vlan", allocSubnetLen: 24 },
    [{ name: "front" }],
    `${POOL}, "Vlans": "100-199"`,
  ],
  [
    { ...draft, vlans: "1-9", allocSubnetLen: 24 },
    [{ name: "n" }],
    `"DefaultNetType": "vlan", ${POOL}`,
  ],
  [{ ...draft, defaultNetType: "vlan", allocSubnetLen: 12 }, [], '"SubnetPool": "10.0.0.0/8"'],
  [{ ...draft, defaultNetType: "vlan", subnetPool: "10.9.0.0/26" }, [], '"AllocSubnetLen": 26'],
];

for (const [tenant, networks, expected] of suggestions) {
  Deno.test(`a new tenant ${JSON.stringify([tenant, networks])} needs ${expected}`, () => {
    assertEquals(whatNewNeeds(tenant, networks), expected);
  });
}

const rule = (fields: string) =>
  `tenants: [{name: t, policies: [{name: p, rules: [{${fields}, direction: in, action: deny}]}]}]`;

Deno.test("a rule's Id and Protocol may be numbers, as YAML has them without quotes", async () => {
  const { tenants } = await check(
    rule("id: 1, protocol: 6, direction: in, action: deny}, {id: two, protocol: udp"),
  );
  const [policy] = tenants[0]?.policies ?? [];
  const rules = policy?.Rules as { Id: unknown; Protocol: unknown }[];
  assertEquals(rules.map(({ Id, Protocol }) => [Id, Protocol]), [["1", "6"], ["two", "udp"]]);
});

for (
  const [fields, message] of [
    ["id: -1", /Id: name "-1" is not a valid name/],
    ["id: true", /Id true is refused: expected a string or a number/],
    ["id: 1, protocol: 256", /Protocol: "256" is not a valid protocol/],
    ["id: 1, protocol: 6.5", /Protocol: "6.5" is not a valid protocol/],
    ["id: 1, fromGroup: 7", /FromGroup 7 is refused: expected a string; write it in quotes: "7"/],
    ['id: 1}, {id: "1"', /Rules\[1\]\.Id "1" is given twice/],
  ] as const
) {
  Deno.test(`a rule with ${fields} is refused`, async () => {
    const text = rule(fields.replace("}", ", direction: in, action: deny}"));
    const { message: said } = await assertRejects(() => check(text), Fault);
    assertMatch(said, message);
  });
}

Deno.test("intent show prints the intent as a file to apply, as JSON or YAML", async () => {
  const file = { Hosts: [{ Name: "h1", Intf: "eth2" }], Tenants: [] };
  const list = () => Promise.resolve([{ revision: 3, intent: file }]);
  const show = async (format: CommonOptions["format"]) => {
    const shell = fakeShell(["show"], { list }, { format });
    await intent.run(shell);
    return shell.stdout.join("\n");
  };
  for (const format of ["table", "json"] as const) {
    assertEquals(JSON.parse(await show(format)), file);
  }
  const yaml = await show("yaml");
  assertEquals(
    JSON.parse((await intentOf([{ name: "a.yaml", text: yaml }], { strict: true })).text),
    file,
  );
  await assertRejects(() => show("name"), Fault, "intent show has no -o name");
});

Deno.test("intent show of more words, and of an agent without an intent, is refused", async () => {
  const run = async (words: readonly string[]) =>
    await intent.run(fakeShell(words, { list: () => Promise.resolve([]) }));
  await assertRejects(() => run(["show", "x"]), Fault, "it takes show, example");
  await assertRejects(() => run(["show"]), Fault, "the agent has not answered with an intent");
});
