// Changes of groups, policies, rules and long values in the words of a plan.

import { assert, assertEquals } from "@std/assert";
import { changeText, itemText } from "../../../../lib/intent/plan/change_text.ts";
import { changedText } from "../../../../lib/intent/plan/value_text.ts";
import { ruleText } from "../../../../lib/intent/rule_text.ts";

type Items = Readonly<Record<string, unknown>>[] | undefined;

const TENANT = {
  ...{ schema: 1, name: "t", defaultNetType: "vlan", subnetPool: "11.1.0.0/16" },
  allocSubnetLen: 24,
};
const RULES = [
  { Id: "1", Direction: "in", FromGroup: "c", Action: "deny" },
  { Id: "2", Direction: "in", Priority: 10, Protocol: "tcp", Port: 80, Action: "allow" },
];

/** Returns the lines of a change of a tenant's groups and policies. */
function linesOf(before: [Items?, Items?], after: [Items?, Items?]): string[] {
  const tenant = ([groups, policies]: [Items?, Items?]) => ({
    ...TENANT,
    ...groups && { groups },
    ...policies && { policies },
  });
  return itemText({ kind: "tenant", before: tenant(before), after: tenant(after) });
}

const CHANGES: readonly [
  what: string,
  before: [Items?, Items?],
  after: [Items?, Items?],
  string[],
][] = [
  [
    "a field of a rule",
    [[], [{ Name: "no-c", Rules: RULES }]],
    [[], [{ Name: "no-c", Rules: [{ ...RULES[0], Protocol: "tcp" }, RULES[1]!] }]],
    ["policy no-c rule 1: Protocol: any → tcp"],
  ],
  [
    "a rule's priority, absent before",
    [[], [{ Name: "p", Rules: [RULES[0]!] }]],
    [[], [{ Name: "p", Rules: [{ ...RULES[0], Priority: 7 }] }]],
    ["policy p rule 1: Priority: 1 → 7"],
  ],
  [
    "a rule added, one removed",
    [[], [{ Name: "p", Rules: [RULES[0]!] }]],
    [[], [{ Name: "p", Rules: [RULES[1]!] }]],
    [
      "- policy p rule 1: deny all from group c",
      "+ policy p rule 2: allow in tcp 80 from any, priority 10",
    ],
  ],
  [
    "groups and policies added and removed",
    [[{ Name: "x", Network: "n" }], undefined],
    [[{ Name: "y", Network: "n", Policies: ["p", "q"] }], [{ Name: "p", Rules: [RULES[0]!] }]],
    [
      "- group x",
      "+ group y: Network n, Policies p,q",
      "+ policy p",
      "+ policy p rule 1: deny all from group c",
    ],
  ],
  [
    "a group's policies",
    [[{ Name: "x", Network: "n" }, { Name: "y", Network: "n" }]],
    [[{ Name: "x", Network: "n", Policies: ["p"] }, { Name: "y", Network: "n" }]],
    ['group x: Policies: none → ["p"]'],
  ],
  [
    "another order",
    [[], [{ Name: "p", Rules: RULES }, { Name: "q" }]],
    [[], [{ Name: "p", Rules: RULES.toReversed() }, { Name: "q" }]],
    ["policy p: Rules: in another order"],
  ],
  [
    "all groups removed",
    [[{ Name: "x", Network: "n" }]],
    [undefined],
    ["- group x"],
  ],
  [
    "items of another form",
    [[{ Network: "n" }]],
    [[{ Network: "m" }]],
    ['Groups: [{"Network":"n"}] → [{"Network":"m"}]'],
  ],
];

for (const [what, before, after, lines] of CHANGES) {
  Deno.test(`a changed tenant's lines: ${what}`, () => {
    assertEquals(linesOf(before, after), lines);
  });
}

Deno.test("a new tenant's lines have its groups, policies and rules without signs", () => {
  const after = {
    ...TENANT,
    ...{ groups: [{ Name: "x", Network: "n" }], policies: [{ Name: "p", Rules: RULES }] },
  };
  assertEquals(itemText({ kind: "tenant", after }).slice(3), [
    ...["group x: Network n", "policy p", "policy p rule 1: deny all from group c"],
    "policy p rule 2: allow in tcp 80 from any, priority 10",
  ]);
});

Deno.test("the order of keys is not a difference", () => {
  const [first, ...rest] = RULES;
  const turned = Object.fromEntries(Object.entries(first!).reverse());
  const lines = linesOf(
    [[], [{ Name: "p", Rules: RULES }]],
    [[], [{ Rules: [turned, ...rest], Name: "p" }, { Name: "q" }]],
  );
  assertEquals(lines, ["+ policy q"]);
});

Deno.test("a difference beyond the hundredth character is shown", () => {
  const reserve = Array.from({ length: 60 }, (_, at) => `10.0.0.${at + 1}`);
  const network = {
    schema: 1,
    tenant: "t",
    name: "n",
    encap: "vlan",
    tag: 1,
    subnet: "10.0.0.0/16",
  };
  const lines = itemText({
    kind: "network",
    before: { ...network, reserve },
    after: { ...network, reserve: reserve.with(30, "10.0.7.7") },
  });
  const [line = "", ...more] = lines;
  assertEquals(more, []);
  assert(/^Reserve: ….*10\.0\.0\.31.*… → ….*10\.0\.7\.7.*…$/.test(line), line);
  assert(line.length < 150, line);
});

Deno.test("changedText() never shortens what differs", () => {
  const [a, b] = ["x".repeat(300), "y".repeat(300)];
  assertEquals(changedText(a, b), `${a} → ${b}`);
  assertEquals(changedText(`${a}1`, `${a}2`), `…${"x".repeat(20)}1 → …${"x".repeat(20)}2`);
  assertEquals(changedText(`1${a}`, `2${a}`), `1${"x".repeat(20)}… → 2${"x".repeat(20)}…`);
  assertEquals(changedText(a, `${a}x`), `…${"x".repeat(20)} → …${"x".repeat(21)}`);
  assertEquals(changedText(undefined, a, "any"), `any → ${a}`);
  assertEquals(changedText("a\nb", "a\u001b[31m"), "a b → a [31m");
});

Deno.test("ruleText() has every field, also an unknown one", () => {
  assertEquals(
    [
      { Id: "1", Direction: "out", Protocol: "udp", ToIpAddress: "10.0.0.0/8", Action: "allow" },
      { Id: "2", Direction: "in", FromNetwork: "n", Port: 0, Priority: 1, Action: "deny" },
      { Id: "3", Direction: "out", Action: "deny", Log: true },
      { Id: "4" },
      { Id: "5", Direction: "in", ToGroup: "g" },
    ].map(ruleText),
    [
      "allow out udp to 10.0.0.0/8",
      "deny all from network n",
      "deny all to any, Log true",
      "deny all in and out from any",
      "deny all in to group g",
    ],
  );
});

Deno.test("changeText() names the running pods that leave a group, which its policies protected", () => {
  const endpoint = (group?: string) => ({
    ...{ schema: 1, tenant: "t", network: "n", container: "web" },
    ...group === undefined ? {} : { group },
  });
  const pod = { pod: { namespace: "default", name: "web" }, host: "host1" };
  const linesOf = (before: string | undefined, after: string | undefined, pods = [pod]) =>
    changeText("endpoint", endpoint(before) as never, endpoint(after) as never, pods as never);
  assertEquals(linesOf("web", undefined), [
    "Group: web → none",
    "policies of group web no longer protect default/web on host1",
  ]);
  assertEquals(linesOf("web", "app"), ["Group: web → app"]);
  assertEquals(linesOf(undefined, "app"), ["Group: none → app"]);
  assertEquals(linesOf("web", undefined, []), ["Group: web → none"]);
});
