// -l, --sort-by, -o custom-columns and --watch of `get`.

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { events, get } from "../../../lib/cli/get.ts";
import { cellText, fieldAt, parseColumns, sortedBy } from "../../../lib/cli/item_fields.ts";
import { ITEM_FIELDS } from "../../../lib/cli/item_kinds.ts";
import { createSelector, fieldsOf } from "../../../lib/cli/selector.ts";
import type { CommonOptions } from "../../../lib/cli/shell.ts";
import { changePrinter } from "../../../lib/cli/show_items.ts";
import { itemChanges, watchItems } from "../../../lib/cli/watch_items.ts";
import { Fault } from "../../../lib/util/errors.ts";
import type { Item } from "../../../lib/agent/server/item_names.ts";
import { fakeShell } from "./fake_shell.ts";

const ITEMS: Item[] = [
  {
    ...{ tenant: "t", network: "blue", endpoint: "a", address: "10.0.0.10" },
    labels: { app: "web" },
  },
  { ...{ tenant: "t", network: "red", endpoint: "b", address: "10.0.0.9" }, labels: { app: "db" } },
  { ...{ tenant: "u", network: "blue", endpoint: "c", address: "10.0.0.100", host: "h1" } },
];

const SELECTORS: readonly [selector: string, endpoints: string][] = [
  ["tenant=t", "ab"],
  ["tenant==t,network!=red", "a"],
  ["app", "ab"],
  ["!app", "c"],
  ["app in (web, db),tenant=t", "ab"],
  ["endpoint notin (a,b)", "c"],
  ["app!=web", "bc"],
  ["host=", "ab"],
  ["address=10.0.0.9/24", "b"],
  ["labels.app=web", "a"],
  ["labels.tenant", ""],
  ["!labels.nobody", "abc"],
  [" network = blue ", "ac"],
];

for (const [selector, endpoints] of SELECTORS) {
  Deno.test(`-l "${selector}" selects by labels and fields`, () => {
    const chosen = createSelector("endpoints", selector)(ITEMS).map(({ endpoint }) => endpoint);
    assertEquals(chosen.join(""), endpoints);
  });
}

for (const selector of ["", "a=b=c", "a in b", "!a=b", "a b", "(", "a in (b", ",", "a>1"]) {
  Deno.test(`-l "${selector}" is refused`, () => {
    assertEquals(assertThrows(() => createSelector("endpoints", selector), Fault).code, "usage");
  });
}

const LISTS: Item[] = [
  { addresses: ["10.0.0.1/24", "10.1.0.1/24"], pod: { namespace: "default", name: "a" }, vlan: 7 },
  { addresses: ["10.0.0.10/24"], pod: { namespace: "shop", name: "b" }, vlan: 0 },
  { addresses: [], pod: { namespace: "shop", name: "c" }, vlan: 70 },
];

const LIST_SELECTORS: readonly [selector: string, pods: string][] = [
  ...[["addresses=10.0.0.1", "a"], ["addresses=10.1.0.1/24", "a"], ["addresses!=10.0.0.1", "bc"]],
  ...[["addresses in (10.0.0.10,10.1.0.1)", "ab"], ["addresses", "ab"], ["addresses=", "c"]],
  ...[["addresses=10.0.0.1/16", ""], ["pod.namespace=shop,vlan!=0", "c"], ["vlan=7", "a"]],
] as [string, string][];

for (const [selector, pods] of LIST_SELECTORS) {
  Deno.test(`-l "${selector}" matches a list by its members, with and without a prefix length`, () => {
    const chosen = createSelector("attachments", selector)(LISTS);
    assertEquals(chosen.map(({ pod }) => (pod as { name: string }).name).join(""), pods);
  });
}

const UNKNOWN: readonly [kind: string, selector: string, message: RegExp][] = [
  [
    "endpoints",
    "addresses=x",
    /^endpoints have no field "addresses": and none of them .*mean address\? fields: /,
  ],
  ["endpoints", "tenat=3", /mean tenant\? fields: tenant, .*; for the label, write labels\.tenat$/],
  ["endpoints", "!addres", /no field "addres"/],
  ["pods", "ip=10.0.0.1", /^pods have no field "ip"; did you mean ips\? fields: namespace, /],
  ["attachments", "pod=a,pod.nam=a", /no field "pod\.nam".*fields: .*pod\.namespace, pod\.name/],
];

for (const [kind, selector, message] of UNKNOWN) {
  Deno.test(`get ${kind} -l "${selector}" is refused, also where there is none`, () => {
    for (const items of [[], kind === "endpoints" ? ITEMS : []]) {
      const fault = assertThrows(() => createSelector(kind, selector)(items), Fault);
      assertEquals(fault.code, "usage");
      assertMatch(fault.message, message);
    }
  });
}

Deno.test("a label that no item has is warned of once, and selects nothing", () => {
  for (const [selector, found] of [["canary=3", 0], ["!canary", 3], ["constructor", 0]] as const) {
    const warnings: string[] = [];
    const select = createSelector("endpoints", selector, (line) => void warnings.push(line));
    assertEquals([select(ITEMS).length, select([]).length], [found, 0]);
    assertEquals(warnings.length, 1);
    assertMatch(warnings[0]!, /^warning: none of the endpoints has the label "(canary|constr.*)"/);
  }
});

Deno.test("a label that was there when a watch began may go", () => {
  const select = createSelector("endpoints", "app=web");
  assertEquals(select(ITEMS).length, 1);
  assertEquals(select([]), []);
});

Deno.test("each kind of get says its fields", () => {
  for (const kind of Object.keys(ITEM_FIELDS)) {
    assert(get.usage.includes(`fields of ${kind}: ${fieldsOf(kind).join(", ")}\n`), kind);
  }
});

Deno.test("what is empty says why: nothing matches, or the intent has none", async () => {
  const empty = async (words: string[], options: Partial<CommonOptions> = {}) => {
    const shell = fakeShell(words, { list: () => Promise.resolve([]) }, options);
    await get.run(shell);
    return shell.stderr;
  };
  assertEquals(await empty(["endpoints"], { selector: "tenant=x" }), [
    "no endpoints match -l tenant=x",
  ]);
  assertEquals(await empty(["pods"], { selector: "node=x" }), [
    "no pods in namespace default match -l node=x",
  ]);
  assertEquals(await empty(["hosts"]), ["no hosts in the intent"]);
  assertEquals(await empty(["endpoints"]), ["no endpoints"]);
});

Deno.test("fieldAt() follows paths as kubectl writes them", () => {
  const item = { pod: { name: "web" }, addresses: ["1.2.3.4/8"], n: 0 };
  const paths = ["pod.name", ".pod.name", "{.pod.name}", "addresses[0]", "pod.name.x", "none", "n"];
  assertEquals(paths.map((path) => cellText(fieldAt(item, path))), [
    ...["web", "web", "web", "1.2.3.4/8", "-", "-", "0"],
  ]);
  assertEquals(cellText([]), "-");
});

Deno.test("sortedBy() orders numbers by value and addresses by their parts", () => {
  assertEquals(sortedBy(ITEMS, "address").map(({ endpoint }) => endpoint), ["b", "a", "c"]);
  assertEquals(sortedBy([], "address"), []);
  const fault = assertThrows(() => sortedBy(ITEMS, "adress"), Fault);
  assertEquals([fault.code, fault.fix?.startsWith("fields: tenant, ")], ["usage", true]);
});

async function run(words: readonly string[], options: Partial<CommonOptions>) {
  const shell = fakeShell(words, { list: () => Promise.resolve(ITEMS) }, options);
  await get.run(shell);
  return shell.stdout;
}

Deno.test("get -o custom-columns prints the columns that are asked for", async () => {
  const columns = "NAME:endpoint,IP:.address,APP:{.labels.app}";
  assertEquals(await run(["endpoints"], { format: "columns", columns, sortBy: "address" }), [
    "NAME  IP          APP",
    "b     10.0.0.9    db",
    "a     10.0.0.10   web",
    "c     10.0.0.100  -",
  ]);
  for (const wrong of ["", "A", ":a", "A:", "A:a,,"]) {
    assertEquals(assertThrows(() => parseColumns(wrong), Fault).code, "usage");
  }
});

Deno.test("get -l that selects nothing is no error, an unknown name is", async () => {
  assertEquals(await run(["endpoints"], { selector: "tenant=x", format: "json" }), ["[]"]);
  await assertRejects(() => run(["endpoints", "x"], {}), Fault, 'endpoint "x" not found');
});

Deno.test("events takes a pod or a kind, and prints what the agent lists", async () => {
  const asked: unknown[] = [];
  const list = (...args: unknown[]) => {
    asked.push(args);
    return Promise.resolve([{
      at: "T",
      kind: "attach",
      host: "h",
      pod: "default/a",
      message: "attached",
    }]);
  };
  const shell = fakeShell(["default/a"], { list });
  await events.run(shell);
  assertEquals(asked, [["events", "default/a"]]);
  assertEquals(shell.stdout, [
    "AT  KIND    POD        NETWORK  ADDRESS  MESSAGE",
    "T   attach  default/a  -        -        attached",
  ]);
});

Deno.test("itemChanges() says what is new, changed and gone", () => {
  const [a, b, c] = ITEMS as [Item, Item, Item];
  const changed = { ...b, address: "10.0.0.8" };
  assertEquals(itemChanges([a, b], [changed, c]).map(({ sign, item }) => sign + item.endpoint), [
    "~b",
    "+c",
    "-a",
  ]);
  const twice = { at: "T", message: "same" };
  assertEquals(itemChanges([twice], [twice, twice]).map(({ sign }) => sign), ["+"]);
});

Deno.test("watchItems() shows all, then changes, and waits out an agent that is away", async () => {
  const [a, b] = ITEMS as [Item, Item, Item];
  const answers = [[a], [a, b], undefined, undefined, [b]];
  const [shown, warned]: [string[], string[]] = [[], []];
  let looks = 0;
  await watchItems({
    list: () => {
      const answer = answers[looks++];
      return answer ? Promise.resolve(answer) : Promise.reject(new Fault("unavailable", "away"));
    },
    show: (changes) =>
      void shown.push(changes.map(({ sign, item }) => sign + item.endpoint).join()),
    warn: (line) => void warned.push(line),
    wait: () => Promise.resolve(looks < answers.length),
  });
  assertEquals(shown, ["+a", "+b", "-a"]);
  assertEquals(warned, ["waiting: away", "the agent answers again"]);
});

Deno.test("changes are printed below the first rows' heads, or as lines of JSON", () => {
  const columns = [["NAME", (item: Item) => String(item.endpoint)]] as const;
  const [a, b] = ITEMS as [Item, Item, Item];
  const table = fakeShell([], {});
  const print = changePrinter(table, columns);
  print([{ sign: "+", item: a }]);
  print([{ sign: "-", item: a }, { sign: "+", item: b }]);
  assertEquals(table.stdout, ["   NAME", "+  a", "-  a", "+  b"]);
  const json = fakeShell([], {}, { format: "json" });
  changePrinter(json, columns)([{ sign: "+", item: a }]);
  assertEquals(JSON.parse(json.stdout[0]!), { sign: "+", item: a });
});
