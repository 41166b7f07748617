// `get KIND [NAME]` on an agent that answers from a list: every kind in every format.

import { assertEquals, assertRejects } from "@std/assert";
import { load } from "js-yaml";
import type { AttachmentItem, PodItem } from "../../../lib/agent/api/listed_items.ts";
import type { PolicyItem } from "../../../lib/agent/policy/policy_items.ts";
import type { EndpointItem } from "../../../lib/agent/server/items.ts";
import type { GroupItem } from "../../../lib/agent/server/list_items.ts";
import { get } from "../../../lib/cli/get.ts";
import type { CommonOptions } from "../../../lib/cli/shell.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const ENDPOINTS: EndpointItem[] = [
  {
    ...{ tenant: "t", network: "blue", endpoint: "pod0", namespace: "shop", address: "10.9.0.1" },
    ...{ host: "h1", boundTo: "h2", generation: 3, rule: "", group: "web" },
  },
  {
    ...{ tenant: "t", network: "blue", endpoint: "pod1", namespace: "", address: "10.9.0.2" },
    ...{ host: "", boundTo: "", generation: 0, rule: "network t/blue, its selector", group: "" },
  },
];

const ATTACHMENTS: AttachmentItem[] = [
  {
    ...{ tenant: "t", network: "blue", endpoint: "pod0", host: "h1", interface: "eth0" },
    ...{ sandbox: "0123456789abcdef", addresses: ["10.9.0.1/16", "10.8.0.1/16"], vlan: 101 },
    ...{ pod: { namespace: "shop", name: "pod0" }, mac: "02:02:0a:09:00:01", state: "ready" },
    reason: "",
  },
  {
    ...{
      tenant: "",
      network: "",
      endpoint: "",
      host: "h1",
      interface: "",
      sandbox: "fedcba987654",
    },
    ...{ addresses: [], vlan: 0, pod: { namespace: "default", name: "pod9" }, mac: "" },
    ...{ state: "unmatched", reason: "no endpoint" },
  },
];

const POLICIES: PolicyItem[] = [
  {
    ...{ name: "t/p1", source: "contiv", rules: 2, groups: ["web", "db"], guarded: 1, drops: 7 },
    ruleTexts: ["1: deny in tcp from any", "2: allow in tcp 80 from group app"],
  },
];

const GROUPS: GroupItem[] = [
  { tenant: "t", name: "web", network: "blue", policies: ["p1"], endpoints: ["blue/pod0"] },
  { tenant: "t", name: "app", network: "blue", policies: [], endpoints: [] },
];

const PODS: PodItem[] = [
  { namespace: "shop", name: "web", networks: ["t/blue"], ips: ["10.9.0.1"], node: "h1" },
  { namespace: "default", name: "idle", networks: [], ips: [], node: "" },
];

const HOSTS = [
  {
    ...{ name: "h1", intf: "eth2", vtepIp: "192.168.2.10" },
    ...{ node: "100.65.0.1", nat: "100.66.0.1" },
  },
  { name: "h2" },
];
const TENANTS = [{
  ...{ name: "t", defaultNetType: "vxlan", subnetPool: "10.9.0.0/16" },
  ...{ vlans: "11-28", vxlans: "10001-14000" },
}];
const NETWORKS = [{
  ...{ tenant: "t", name: "blue", encap: "vxlan", tag: 10001, subnet: "10.9.0.0/16" },
  ...{ gateway: "10.9.255.254", description: "front ends", gatewayType: "distributed" },
  ...{ reach: ["host", "outside"], aliasedBecause: "s/n" },
}, {
  ...{ tenant: "t", name: "green", encap: "vxlan", tag: 10002, subnet: "10.8.0.0/16" },
  ...{ gatewayType: "external", reach: [] },
}];

const ITEMS: Readonly<Record<string, readonly object[]>> = {
  ...{ hosts: HOSTS, tenants: TENANTS, networks: NETWORKS, endpoints: ENDPOINTS },
  ...{ attachments: ATTACHMENTS, policies: POLICIES, pods: PODS, groups: GROUPS },
};

/** Runs `get` with these arguments; the agent returns all items, as one of an older version does. */
async function run(words: readonly string[], options: Partial<CommonOptions> = {}) {
  const asked: unknown[][] = [];
  const list = (kind: string, name?: string) => {
    asked.push([kind, name]);
    return Promise.resolve((ITEMS[kind] ?? []).map((item) => ({ ...item })));
  };
  const shell = fakeShell(words, { list }, options);
  await get.run(shell);
  return { ...shell, asked };
}

const TABLES: Readonly<Record<string, readonly string[]>> = {
  hosts: [
    "NAME  UPLINK  VTEP",
    "h1    eth2    192.168.2.10",
    "h2    -       -",
  ],
  tenants: [
    "NAME  TYPE   POOL         VLANS  VNIS",
    "t     vxlan  10.9.0.0/16  11-28  10001-14000",
  ],
  networks: [
    "TENANT  NETWORK  ENCAP  TAG    SUBNET       GATEWAY",
    "t       blue     vxlan  10001  10.9.0.0/16  10.9.255.254",
    "t       green    vxlan  10002  10.8.0.0/16  -",
  ],
  endpoints: [
    "TENANT  NETWORK  ENDPOINT  ADDRESS   PINNED  BOUND",
    "t       blue     pod0      10.9.0.1  h1      h2",
    "t       blue     pod1      10.9.0.2  -       -",
  ],
  attachments: [
    "POD           NETWORK  INTERFACE  ADDRESS                  VLAN  STATE      SANDBOX       REASON",
    "shop/pod0     t/blue   eth0       10.9.0.1/16,10.8.0.1/16  101   ready      0123456789ab  -",
    "default/pod9  -        -          -                        -     unmatched  fedcba987654  no endpoint",
  ],
  policies: [
    "POLICY  SOURCE  RULES  GROUPS  GUARDED HERE  DROPS HERE",
    "t/p1    contiv  2      web,db  1             7",
  ],
  groups: [
    "TENANT  GROUP  NETWORK  POLICIES  ENDPOINTS",
    "t       web    blue     p1        blue/pod0",
    "t       app    blue     -         -",
  ],
};

for (const [kind, lines] of Object.entries(TABLES)) {
  Deno.test(`get ${kind} prints a table`, async () => {
    const { stdout, stderr, asked } = await run([kind]);
    assertEquals(stdout, lines);
    assertEquals([stderr, asked], [[], [[kind, undefined]]]);
  });
}

/** Heads and cells that `-o wide` adds behind those of the table, per line. */
const WIDE: Readonly<Record<string, readonly (readonly string[])[]>> = {
  ...{ tenants: [], groups: [] },
  policies: [["RULE TEXTS"], ["1: deny in tcp from any; 2: allow in tcp 80 from group app"]],
  hosts: [["NODE", "NAT"], ["100.65.0.1", "100.66.0.1"], ["-", "-"]],
  networks: [
    ["DESCRIPTION", "GATEWAY TYPE", "REACH", "HOSTS' STACKS"],
    ["front ends", "distributed", "host,outside", "aliased, because of s/n"],
    ["-", "external", "-", "-"],
  ],
  endpoints: [
    ["NAMESPACE", "GENERATION", "BY", "GROUP"],
    ["shop", "3", "-", "web"],
    ["-", "0", "network t/blue, its selector", "-"],
  ],
  attachments: [["HOST", "MAC"], ["h1", "02:02:0a:09:00:01"], ["h1", "-"]],
};

for (const [kind, added] of Object.entries(WIDE)) {
  Deno.test(`get ${kind} -o wide prints the table and ${added[0] ?? "nothing else"}`, async () => {
    const { stdout } = await run([kind], { format: "wide" });
    // Padding depends on the columns that follow, so cells are compared; no cell has two blanks.
    const cells = (line: string) => line.split(/  +/);
    const expected = TABLES[kind]!.map((line, at) => [...cells(line), ...added[at] ?? []]);
    assertEquals(stdout.map(cells), expected);
  });
}

const NAMES: Readonly<Record<string, readonly string[]>> = {
  ...{ hosts: ["h1", "h2"], tenants: ["t"], networks: ["t/blue", "t/green"], policies: ["t/p1"] },
  endpoints: ["t/blue/pod0", "t/blue/pod1"],
  attachments: ["t/blue/pod0", "default/pod9"],
};

for (const [kind, names] of Object.entries(NAMES)) {
  Deno.test(`get ${kind} -o name prints names only, -o json the items`, async () => {
    assertEquals((await run([kind], { format: "name" })).stdout, names);
    const { stdout, stderr } = await run([kind], { format: "json" });
    assertEquals(JSON.parse(stdout.join("\n")), ITEMS[kind]);
    assertEquals(stderr, []);
  });
}

for (const [kind, items] of Object.entries(ITEMS)) {
  Deno.test(`get ${kind} -o yaml prints the items as YAML`, async () => {
    const { stdout, stderr } = await run([kind], { format: "yaml", allNamespaces: true });
    assertEquals(load(stdout.join("\n")), kind === "pods" ? PODS : items);
    assertEquals([stdout[0]?.slice(0, 2), stderr], ["- ", []]);
  });
}

Deno.test("get takes the singular of every kind", async () => {
  const singulars = [
    "host",
    "tenant",
    "network",
    "endpoint",
    "attachment",
    "policy",
    "group",
    "pod",
  ];
  const asked = [];
  for (const word of singulars) asked.push((await run([word])).asked[0]?.[0]);
  assertEquals(asked, [...Object.keys(TABLES), "pods"]);
});

Deno.test("get KIND NAME prints the named item only, by its own and its full name", async () => {
  for (const name of ["pod1", "t/blue/pod1"]) {
    const { stdout, asked } = await run(["endpoints", name], { format: "name" });
    assertEquals([stdout, asked], [["t/blue/pod1"], [["endpoints", name]]]);
  }
  const { stdout } = await run(["attachments", "shop/pod0"], { format: "name" });
  assertEquals(stdout, ["t/blue/pod0"]);
});

Deno.test("get policies finds a policy by its name without the tenant", async () => {
  for (const name of ["p1", "t/p1"]) {
    assertEquals((await run(["policies", name], { format: "name" })).stdout, ["t/p1"]);
  }
  await assertRejects(() => run(["policies", "t"]), Fault, 'policy "t" not found');
});

Deno.test("get policies of an agent that does not know rule texts shows none", async () => {
  const { ruleTexts: _, ...older } = POLICIES[0]!;
  const list = () => Promise.resolve([older]);
  const shell = fakeShell(["policies"], { list }, { format: "wide" });
  await get.run(shell);
  assertEquals(shell.stdout[1]?.endsWith("7           -"), true, shell.stdout[1]);
});

Deno.test("get says that nothing is there on stderr, and prints [] as JSON", async () => {
  const list = () => Promise.resolve([]);
  const table = fakeShell(["networks"], { list });
  await get.run(table);
  assertEquals([table.stdout, table.stderr], [[], ["no networks in the intent"]]);
  const json = fakeShell(["networks"], { list }, { format: "json" });
  await get.run(json);
  assertEquals([json.stdout, json.stderr], [["[]"], []]);
});

const REFUSALS: readonly [words: string[], code: string, message: RegExp][] = [
  [[], "usage", /^get needs a kind; kinds: hosts, .*, pods, events$/],
  [["nets"], "usage", /^"nets" is not a kind; kinds: hosts, /],
  [["networks", "blue", "red"], "usage", /^get got 3 arguments; get KIND \[NAME\]$/],
  [["networks", "red"], "not_found", /^network "red" not found; see k8contivnet get networks$/],
  [["policy", "p9"], "not_found", /^policy "p9" not found; see k8contivnet get policies$/],
  [
    ["attachments", "web-9"],
    "not_found",
    /^attachment "web-9" on this host not found; k8contivnet get pods -A and k8contivnet why web-9 know all hosts$/,
  ],
  [["pods", "web"], "not_found", /^pod "web" in namespace default not found; add -n /],
];

for (const [words, code, message] of REFUSALS) {
  Deno.test(`get ${words.join(" ") || "without a kind"} is refused as ${code}`, async () => {
    const fault = await assertRejects(() => run(words), Fault);
    assertEquals([fault.code, message.test(fault.message)], [code, true], fault.message);
  });
}

Deno.test("get pods prints those of a namespace, of all with -A, and by full name", async () => {
  const heads = "NAMESPACE  NAME  NETWORK  IP        NODE";
  const web = "shop       web   t/blue   10.9.0.1  h1";
  const shop = await run(["pods"], { namespace: "shop" });
  assertEquals(shop.stdout, [heads, web]);
  const all = await run(["pods"], { allNamespaces: true, format: "wide" });
  assertEquals(all.stdout.map((line) => line.split(/ +/)), [
    ["NAMESPACE", "NAME", "NETWORK", "IP", "NODE"],
    ["shop", "web", "t/blue", "10.9.0.1", "h1"],
    ["default", "idle", "-", "-", "-"],
  ]);
  assertEquals((await run(["pods"], { format: "name" })).stdout, ["default/idle"]);
  assertEquals((await run(["pods", "shop/web"], { format: "name" })).stdout, ["shop/web"]);
  const json = await run(["pods"], { namespace: "shop", format: "json" });
  assertEquals(JSON.parse(json.stdout.join("\n")), [PODS[0]]);
  const none = await run(["pods"], { namespace: "empty" });
  assertEquals([none.stdout, none.stderr], [[], ["no pods in namespace empty"]]);
});
