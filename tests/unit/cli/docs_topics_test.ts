// What `docs` prints: its commands are those of the table, and contiv's objects become the intent as its list of fields says.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { COMMANDS } from "../../../lib/cli/command_table.ts";
import { parseCommandLine } from "../../../lib/cli/command_line.ts";
import { contivTopic } from "../../../lib/cli/contiv_topic.ts";
import { docsOf, TOPICS } from "../../../lib/cli/docs.ts";
import { operationsTopic } from "../../../lib/cli/operations_topic.ts";
import { COMMON, OPTIONS } from "../../../lib/cli/option_table.ts";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { fakeShell } from "./fake_shell.ts";

const TEXTS = { contivTopic, operationsTopic };

/** Returns the command lines of a text. */
function commandsIn(text: string): string[] {
  return text.split("\n").flatMap((line) => /^ {4}(\S.*)$/.exec(line)?.[1] ?? [])
    .filter((line) => /^(k8contivnet|netdcli|etcdctl|systemctl|\.\/install\.sh) /.test(line));
}

for (const [name, text] of Object.entries(TEXTS)) {
  Deno.test(`${name}: each command is one of the table, with options that it takes`, () => {
    const lines = commandsIn(text).filter((line) => line.startsWith("k8contivnet "));
    assert(lines.length > 4, text);
    for (const line of lines) {
      const [, command = "", ...words] = line.split(" ");
      const spec = COMMANDS[command];
      assert(spec, line);
      const { args } = parseCommandLine(words);
      const given = words.filter((word) => word.startsWith("-")).map((word) =>
        OPTIONS.find((one) =>
          word === `--${one.name}` || word === `-${"short" in one ? one.short : ""}`
        )
      );
      for (const option of given) {
        const taken: readonly string[] = [...spec.options, ...COMMON];
        assert(option && taken.includes(option.name), line);
      }
      const [first] = spec.words ?? [];
      if (Array.isArray(first)) assert(first.includes(args[0]), line);
    }
  });

  Deno.test(`${name}: quoted commands exist, and lines fit into a terminal`, () => {
    for (const [, words = ""] of text.matchAll(/"k8contivnet ([^"]+)"/g)) {
      assert(COMMANDS[words.split(" ")[0]!], words);
    }
    for (const line of text.split("\n")) assert(line.length <= 112, line);
  });
}

Deno.test("docs prints each topic", async () => {
  const docs = docsOf({ commands: {}, faces: {} });
  for (const topic of TOPICS.filter((one) => one !== "man")) {
    const shell = fakeShell([topic], {});
    await docs.run(shell);
    assert(shell.stdout.length > 20, topic);
  }
});

type Fields = Readonly<Record<string, unknown>>;
type Objects = Readonly<Record<string, readonly Fields[]>>;

/** Returns the two JSON texts of the example: contiv's objects, and the intent. */
function exampleTexts(): readonly [objects: string, intent: string] {
  const [objects, intent] = [...contivTopic.matchAll(/^\{\n[^]*?^\}$/gm)].map(([text]) => text);
  assert(objects && intent);
  return [objects, intent];
}

/** Renames fields as the list says, and leaves out the empty ones. */
function renamed(object: Fields, names: Readonly<Record<string, string>>): Fields {
  return Object.fromEntries(
    Object.entries(names).flatMap(([theirs, ours]) => {
      const value = object[theirs];
      const isEmpty = value === undefined || value === "" || value === 0 ||
        (Array.isArray(value) && value.length === 0);
      return isEmpty ? [] : [[ours, value]];
    }),
  );
}

/** Turns contiv's objects of one tenant into what the intent says of it. */
function tenantOf(all: Objects, name: string): Fields {
  const own = (kind: string) => (all[kind] ?? []).filter(({ tenantName }) => tenantName === name);
  return {
    Name: name,
    Networks: own("networks").map((one) =>
      renamed(one, {
        ...{ networkName: "Name", encap: "PktTagType", pktTag: "PktTag", subnet: "SubnetCIDR" },
        gateway: "DefaultGw",
      })
    ),
    Groups: own("endpointGroups").map((one) =>
      renamed(one, { groupName: "Name", networkName: "Network", policies: "Policies" })
    ),
    Policies: own("policys").map(({ policyName }) => ({
      Name: policyName,
      Rules: own("rules").filter((rule) => rule.policyName === policyName).map((rule) =>
        renamed(rule, {
          ...{ ruleId: "Id", priority: "Priority", direction: "Direction", protocol: "Protocol" },
          ...{ port: "Port", action: "Action", fromEndpointGroup: "FromGroup" },
          ...{ fromNetwork: "FromNetwork", fromIpAddress: "FromIpAddress" },
          ...{ toEndpointGroup: "ToGroup", toNetwork: "ToNetwork", toIpAddress: "ToIpAddress" },
        })
      ),
    })),
  };
}

Deno.test("contivTopic: the objects become the intent by the list of fields", () => {
  const [objects, text] = exampleTexts();
  const { Tenants: [tenant] } = JSON.parse(text);
  const { DefaultNetType, SubnetPool, AllocSubnetLen, Vlans, Vxlans, Namespaces, ...rest } = tenant;
  const networks = rest.Networks.map(({ Default: _, ...network }: Fields) => network);
  assertEquals({ ...rest, Networks: networks }, tenantOf(JSON.parse(objects), "shop"));
  assert(DefaultNetType && SubnetPool && AllocSubnetLen && Vlans && Vxlans && Namespaces);
  assertEquals(parseIntent(text).warnings, []);
});

const TENANT = {
  ...{ Name: "t", DefaultNetType: "vlan", SubnetPool: "10.0.0.0/16", AllocSubnetLen: 24 },
  Vlans: "11-28",
};

Deno.test("contivTopic: what it calls refused is refused", () => {
  const twice = [{ Container: "a", IpAddress: "10.0.0.5" }, {
    Container: "b",
    IpAddress: "10.0.0.5",
  }];
  const networks: readonly Fields[] = [
    { PktTag: 4_095 },
    { SubnetCIDR: "10.0.0.77/24" },
    { SubnetCIDR: "10.36.28.100-10.36.28.200/24" },
    { SubnetCIDR6: "fd00::/64" },
    { SubnetCIDR: "10.0.0.0/24", Endpoints: twice },
    { SubnetCIDR: "10.0.0.0/24", Endpoints: [{ Container: "a", IpAddress: "10.0.1.5" }] },
    { Name: "" },
    { Name: "a/b" },
  ];
  const two = ["a", "b"].map((Name) => ({ Name, SubnetCIDR: "10.0.0.0/24" }));
  const tenants = [
    { ...TENANT, Vlans: "11" },
    { ...TENANT, Networks: two },
    ...networks.map((one) => ({ ...TENANT, Networks: [{ Name: "n", ...one }] })),
  ];
  for (const tenant of tenants) {
    const text = JSON.stringify({ Tenants: [tenant] });
    assertThrows(() => parseIntent(text), Fault);
  }
  assertEquals(parseIntent(JSON.stringify({ Tenants: [TENANT] })).warnings, []);
});
