// What parseIntent() reads, what it warns of, and that intentToFile() is its reverse.

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import notice from "../../fixtures/intents/NOTICE" with { type: "text" };
import { intents } from "../../fixtures/intents.ts";
import { intentToFile } from "../../../lib/intent/canonical.ts";
import { exampleIntent } from "../../../lib/intent/examples/example.ts";
import { intentSchema, parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { anyIntent } from "./random_intents.ts";
import { inEndpoint, inNetwork } from "./refused_intents.ts";

for (const [name, text] of Object.entries(intents)) {
  Deno.test(`parseIntent() reads the original's ${name} without a warning`, () => {
    const { intent, warnings } = parseIntent(text, { strict: true });
    assertEquals(warnings, []);
    assertEquals(intent.tenants.length, JSON.parse(text).Tenants.length);
  });
}

Deno.test("the original's examples stand under their licence", () => {
  assertStringIncludes(notice, "contiv/netplugin, April 2015, data under Apache-2.0");
});

Deno.test("parseIntent() returns what the file says and nothing else", () => {
  const { intent } = parseIntent(intents.twoHostVlan);
  assertEquals(intent.hosts[1], { name: "host2", intf: "eth2" });
  const [{ networks, ...tenant }] = intent.tenants as [typeof intent.tenants[number]];
  assertEquals(tenant, {
    name: "tenant-one",
    defaultNetType: "vlan",
    subnetPool: "11.1.0.0/16",
    allocSubnetLen: 24,
    vlans: "11-48",
  });
  assertEquals(networks[0]?.endpoints[3], { container: "myContainer4", host: "host2" });
});

const full = {
  Hosts: [{ Name: "host1", Intf: "eth2", VtepIp: "192.168.2.10", NetId: "infra" }],
  Tenants: [{
    Name: "t",
    DefaultNetType: "vxlan",
    SubnetPool: "11.1.0.0/16",
    AllocSubnetLen: 24,
    Vlans: "11-28,40-50",
    Vxlans: "10001-14000",
    Namespaces: ["shop"],
    Groups: [{ Name: "web", Network: "n", Policies: ["p"] }],
    Policies: [{
      Name: "p",
      Rules: [
        {
          Id: "1",
          Priority: 100,
          Direction: "in",
          FromGroup: "app",
          Protocol: "tcp",
          Port: 8000,
          Action: "allow",
        },
        { Id: "3", Direction: "in", FromIpAddress: "10.0.0.0/8", Action: "deny" },
        { Id: "2", Direction: "out", ToNetwork: "m", Protocol: "47", Action: "deny" },
      ],
    }],
    Networks: [{
      Name: "n",
      Description: "front ends – ask Zoë",
      PktTagType: "vlan",
      PktTag: 100,
      SubnetCIDR: "10.1.0.0/24",
      DefaultGw: "10.1.0.254",
      Default: true,
      Namespaces: ["shop"],
      PodSelector: {
        matchLabels: { app: "web" },
        matchExpressions: [{ key: "tier", operator: "In", values: ["a"] }],
      },
      NamespaceSelector: { matchExpressions: [{ key: "team", operator: "Exists" }] },
      HoldAddress: 5400,
      Mtu: 9000,
      Reserve: ["10.1.0.1-10.1.0.9", "10.1.0.20"],
      AllocRange: "10.1.0.100-10.1.0.200",
      Endpoints: [{
        Container: "c",
        Namespace: "shop",
        Host: "host1",
        AttachUUID: "0123456789ab",
        IpAddress: "10.1.0.50",
        Mac: "02:00:00:00:00:01",
        Interface: "eth1",
        Labels: { app: "web" },
        Group: "web",
      }],
    }],
  }],
  HostBindings: [{ Container: "c", Host: "host1", AttachUUID: "abc" }],
};

Deno.test("intentToFile() returns a file that uses every key", () => {
  const { intent, warnings } = parseIntent(JSON.stringify(full), { strict: true });
  assertEquals(warnings, []);
  assertEquals<unknown>(intentToFile(intent), full);
});

Deno.test("parseIntent() reads HoldAddress as seconds or as Go writes a length of time", () => {
  const hold = (written: string) => {
    const { intent } = parseIntent(inNetwork(`"HoldAddress":${written}`));
    return intent.tenants[0]?.networks[0]?.holdAddress;
  };
  const all = ["0", "90", "1.5", `"90"`, `"90s"`, `"1h30m"`, `"0s"`];
  assertEquals(all.map(hold), [0, 90, 1.5, 90, 90, 5400, 0]);
});

Deno.test("parseIntent() reads a Description of 200 characters, however many bytes they have", () => {
  const description = "💡".repeat(200);
  const { intent } = parseIntent(inNetwork(`"Description":"${description}"`));
  assertEquals(intent.tenants[0]?.networks[0]?.description, description);
});

Deno.test("intentToFile() and parseIntent() are each other's reverse", () => {
  fc.assert(
    fc.property(anyIntent, (text) => {
      const { intent } = parseIntent(text);
      assertEquals(parseIntent(JSON.stringify(intentToFile(intent))).intent, intent);
    }),
    { numRuns: 50 },
  );
});

Deno.test("parseIntent() reads keys in any case and by their later names", () => {
  const { intent, warnings } = parseIntent(`{"TENANTS":[{"name":"t","VLANs":" 11 - 28 ","VXlans":
    "10001-14000","networks":[{"NAME":"n","Gateway":"11.1.0.254","pkttag":"100","endpoints":[
    {"container":"c","IPAddress":"11.1.0.9"}]}]}],"hosts":[{"name":"h","VtepIP":"192.0.2.1"}]}`);
  assertEquals(warnings, []);
  const [tenant] = intent.tenants;
  assertEquals([tenant?.vlans, tenant?.vxlans], ["11-28", "10001-14000"]);
  assertEquals(tenant?.networks[0], {
    name: "n",
    gateway: "11.1.0.254",
    tag: 100,
    endpoints: [{ container: "c", address: "11.1.0.9" }],
  });
  assertEquals(intent.hosts, [{ name: "h", vtepIp: "192.0.2.1" }]);
});

Deno.test("parseIntent() takes null, empty strings and the original's zero values as absent", () => {
  const { intent } = parseIntent(`{"Hosts":null,"Tenants":[{"Name":"t","Vlans":"","AllocSubnetLen":
    0,"Networks":[{"Name":"n","PktTag":0,"PktTagType":"","DefaultGw":"","Endpoints":null}]}]}`);
  assertEquals(intent.tenants, [{ name: "t", networks: [{ name: "n", endpoints: [] }] }]);
});

Deno.test("parseIntent() lower-cases a MAC and takes dashes for colons", () => {
  const { intent } = parseIntent(inEndpoint(`"Mac":"02-AB-00-00-00-0F"`));
  assertEquals(intent.tenants[0]?.networks[0]?.endpoints[0]?.mac, "02:ab:00:00:00:0f");
});

Deno.test("parseIntent() warns of unknown keys and says what was meant", () => {
  const { warnings } = parseIntent(
    `{"Tenants":[{"Name":"t","Netwroks":[],"Networks":[{"Name":"n","Zzzzzz":1,"Gatewy":""}]}]}`,
  );
  assertEquals(warnings, [
    'Tenants[0].Netwroks is not a known key, it is ignored; did you mean "Networks"?',
    "Tenants[0].Networks[0].Zzzzzz is not a known key, it is ignored",
    'Tenants[0].Networks[0].Gatewy is not a known key, it is ignored; did you mean "DefaultGw"?',
  ]);
});

Deno.test("parseIntent() refuses unknown keys when it is strict", () => {
  const fault = assertThrows(
    () => parseIntent(`{"Tenants":[{"Nam":"t"}]}`, { strict: true }),
    Fault,
  );
  assertEquals(fault.message, 'Tenants[0].Nam is not a known key; did you mean "Name"?');
});

Deno.test("parseIntent() warns of what it reads and does not use", () => {
  const { warnings } = parseIntent(`{"InfraNetworks":[{"Name":"infra","PktTag":"0"}],
    "Hosts":[{"Name":"a","VtepIp":"192.0.2.1"},{"Name":"b","VtepIp":"192.0.2.1"}]}`);
  assertEquals(warnings, [
    "InfraNetworks is read and has no effect",
    "hosts a and b have one VtepIp, 192.0.2.1",
  ]);
});

Deno.test("parseIntent() keeps hostile label names as data", () => {
  const { intent } = parseIntent(inEndpoint(`"Labels":{"constructor":"a","toString":"b"}`));
  const labels = intent.tenants[0]?.networks[0]?.endpoints[0]?.labels;
  assertEquals(Object.entries(labels ?? {}), [["constructor", "a"], ["toString", "b"]]);
});

Deno.test("the example reads without a warning, whatever is strict", () => {
  assertEquals(parseIntent(exampleIntent, { strict: true }).warnings, []);
});

Deno.test("intentSchema() names every key of the file with a word on it, in the original's spelling", () => {
  const schema = JSON.stringify(intentSchema());
  const keysOf = (value: unknown): string[] =>
    typeof value !== "object" || value === null
      ? []
      : Object.entries(value).flatMap(([key, below]) => [
        ...(Array.isArray(value) || /^(app|team|tier)$/.test(key) ? [] : [key]),
        ...keysOf(below),
      ]);
  for (const key of keysOf(full)) assertStringIncludes(schema, `"${key}":`);
  assertStringIncludes(schema, '"required":["Container"]');
  assertStringIncludes(schema, "https://json-schema.org/draft/2020-12/schema");
});
