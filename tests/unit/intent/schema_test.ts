import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import fc from "fast-check";
import notice from "../../fixtures/intents/NOTICE" with { type: "text" };
import { bindings, intents } from "../../fixtures/intents.ts";
import { intentToFile } from "../../../lib/intent/canonical.ts";
import { exampleIntent } from "../../../lib/intent/examples/example.ts";
import { intentSchema, parseBindings, parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { anyIntent } from "./random_intents.ts";

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

Deno.test("parseIntent() gives what the file says and nothing else", () => {
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

Deno.test("intentToFile() gives back a file that uses every key", () => {
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

Deno.test("parseIntent() refuses unknown keys where it is told to be strict", () => {
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

function inTenant(fields: string): string {
  return `{"Tenants":[{"Name":"t",${fields}}]}`;
}

function inNetwork(fields: string): string {
  return inTenant(`"Networks":[{"Name":"n",${fields}}]`);
}

function inEndpoint(fields: string): string {
  return inNetwork(`"Endpoints":[{"Container":"c",${fields}}]`);
}

function inRule(fields: string): string {
  return inTenant(`"Policies":[{"Name":"p","Rules":[{"Id":"1","Action":"deny",${fields}}]}]`);
}

const NETWORK = "Tenants[0].Networks[0]";
const ONE_LINE = "one line of at most 200 characters is wanted";
const ENDPOINT = `${NETWORK}.Endpoints[0]`;
const SUBNET = `"SubnetCIDR":"10.1.0.0/24"`;

const refused: readonly (readonly [string, string, ...string[]])[] = [
  ["", "intent is empty", 'write "{}"'],
  [" \n", "intent is empty"],
  ["5", "intent is not an object"],
  ["null", "intent is not an object"],
  [`[{"Container":"c","Host":"h"}]`, "intent is not an object", "bindings"],
  [`{"name":"package","version":"1"}`, "none of Hosts, Tenants", "name, version"],
  [`{"Tenant":[]}`, "none of Hosts, Tenants", 'did you mean "Tenants"?'],
  [`{"Tenants":{}}`, "Tenants {…} is refused: expected an array"],
  [`{"Tenants":[5]}`, "Tenants[0] 5 is refused: expected an object"],
  [`{"Tenants":[null]}`, "Tenants[0] null is refused: expected an object"],
  [`{"Tenants":[{}]}`, "Tenants[0].Name is missing"],
  [`{"Tenants":[{"Name":"a b"}]}`, 'Tenants[0].Name: name "a b" is not a valid name'],
  [`{"Tenants":[{"Name":"../x"}]}`, "Tenants[0].Name: name"],
  [`{"Tenants":[{"Name":"${"x".repeat(65)}"}]}`, "65 characters, at most 64 are allowed"],
  [`{"Tenants":[{"Name":"t","name":"t"}]}`, "Tenants[0].Name is given twice"],
  [`{"Tenants":[],"tenants":[]}`, 'Tenants is given twice: as "Tenants" and as "tenants"'],
  [`{"Tenants":[],"Tenants":[]}`, 'key "Tenants" occurs twice', "line 1, column 15"],
  [inNetwork(`"Gateway":"10.0.0.1","DefaultGw":"10.0.0.1"`), `${NETWORK}.DefaultGw is given twice`],
  [`{"Tenants":[{"Name":"t"},{"Name":"t"}]}`, 'Tenants[1].Name "t" is given twice'],
  [inTenant(`"Networks":[{"Name":"n"},{"Name":"n"}]`), "Tenants[0].Networks[1].Name"],
  [
    inNetwork(`"Endpoints":[{"Container":"c"},{"Container":"c"}]`),
    `${NETWORK}.Endpoints[1].Container "c" is given twice`,
  ],
  [
    inNetwork(`"Endpoints":[{"Container":"c","Mac":"02:00:00:00:00:01"},
      {"Container":"d","Mac":"02-00-00-00-00-01"}]`),
    `${NETWORK}.Endpoints[1].Mac`,
  ],
  [`{"Hosts":[{"Name":"h","Intf":"e"},{"Name":"h","Intf":"e"}]}`, "Hosts[1].Name"],
  [`{"Hosts":[{"Name":"h"}]}`, "Hosts[0] has neither Intf nor VtepIp"],
  [`{"Hosts":[{"Name":"h","Intf":""}]}`, "Hosts[0] has neither Intf nor VtepIp"],
  [`{"Hosts":[{"Intf":"eth0"}]}`, "Hosts[0].Name is missing"],
  [`{"Hosts":[{"Name":"h","Intf":"much-too-long-name"}]}`, "Hosts[0].Intf", "interface name"],
  [`{"Hosts":[{"Name":"h","VtepIp":"192.168.2"}]}`, "Hosts[0].VtepIp", "not a valid IPv4 address"],
  [`{"Hosts":[{"Name":"h","VtepIp":"fe80::1"}]}`, "Hosts[0].VtepIp", "not a valid IPv4 address"],
  [`{"Hosts":[{"Name":"h","VtepIp":"0.0.0.0"}]}`, "Hosts[0].VtepIp 0.0.0.0 is refused"],
  [`{"Hosts":[{"Name":"h","VtepIp":"239.1.1.1"}]}`, "Hosts[0].VtepIp 239.1.1.1 is refused"],
  [
    `{"Hosts":[{"Name":"h","VtepIp":"127.0.0.1"}]}`,
    "Hosts[0].VtepIp 127.0.0.1 is refused: 127.0.0.0/8 is reserved for loopback",
  ],
  [`{"Hosts":[{"Name":"h","VtepIp":"250.0.0.9"}]}`, "Hosts[0].VtepIp 250.0.0.9", "not a unicast"],
  [inTenant(`"SubnetPool":"127.0.0.0/16"`), "Tenants[0].SubnetPool 127.0.0.0/16", "loopback"],
  [
    inNetwork(`"SubnetCIDR":"127.0.1.0/24"`),
    `${NETWORK}.SubnetCIDR 127.0.1.0/24 is refused`,
    "other interfaces drop it (RFC 1122)",
  ],
  [
    inNetwork(`"SubnetCIDR":"200.0.3.50-200.0.3.100/24"`),
    `${NETWORK}.SubnetCIDR: "200.0.3.50-200.0.3.100/24" is not a valid subnet`,
    `it is a range of addresses; write "200.0.3.0/24"; a network's AllocRange takes "200.0.3.50-200.0.3.100"`,
  ],
  [inNetwork(`"SubnetCIDR":"300.0.3.50-9/24"`), `${NETWORK}.SubnetCIDR`, "not a valid IPv4"],
  [
    inNetwork(`"AllocRange":"200.0.3.50-200.0.3.100/24"`),
    `${NETWORK}.AllocRange: "200.0.3.50-200.0.3.100/24" is not a valid address range`,
    'it has a prefix length; write "200.0.3.50-200.0.3.100"',
  ],
  [
    inNetwork(`"Reserve":["200.0.3.0/28"]`),
    `${NETWORK}.Reserve[0]`,
    'write "200.0.3.0-200.0.3.15"',
  ],
  [inNetwork(`"SubnetCIDR":"0.1.0.0/16"`), `${NETWORK}.SubnetCIDR`, "RFC 1122"],
  [inNetwork(`"SubnetCIDR":"169.254.1.0/24"`), `${NETWORK}.SubnetCIDR`, "RFC 3927"],
  [inNetwork(`"SubnetCIDR":"169.0.0.0/8"`), `${NETWORK}.SubnetCIDR`, "RFC 3927"],
  [inNetwork(`"SubnetCIDR":"230.1.0.0/16"`), `${NETWORK}.SubnetCIDR`, "RFC 5771"],
  [inNetwork(`"SubnetCIDR":"255.255.255.255/32"`), `${NETWORK}.SubnetCIDR`, "RFC 919"],
  [inNetwork(`"DefaultGw":"127.0.0.1"`), `${NETWORK}.DefaultGw 127.0.0.1 is refused`, "loopback"],
  [inNetwork(`"AllocRange":"126.9.9.9-127.0.0.3"`), `${NETWORK}.AllocRange 126.9.9.9-127.0.0.3`],
  [
    inNetwork(`"Endpoints":[{"Container":"c","IpAddress":"224.0.0.5"}]`),
    `${ENDPOINT}.IpAddress 224.0.0.5 is refused`,
    "multicast",
  ],
  [inTenant(`"DefaultNetType":"VLAN"`), "Tenants[0].DefaultNetType", "one of vlan, vxlan"],
  [inTenant(`"DefaultNetType":7`), "Tenants[0].DefaultNetType 7 is refused"],
  [inTenant(`"SubnetPool":"11..5.0.0/16"`), "Tenants[0].SubnetPool", "not a valid IPv4 address"],
  [inTenant(`"SubnetPool":"11.1.0.0"`), "Tenants[0].SubnetPool", "is not a valid subnet"],
  [inTenant(`"SubnetPool":"11.1.0.1/16"`), "has host bits", 'write "11.1.0.0/16"'],
  [inTenant(`"SubnetPool":"11.0.0.0/7"`), "Tenants[0].SubnetPool", "host bits"],
  [inTenant(`"SubnetPool":"10.0.0.0/7"`), "Tenants[0].SubnetPool", "shortest prefix is 8"],
  [
    inTenant(`"AllocSubnetLen":"24"`),
    'Tenants[0].AllocSubnetLen "24" is refused: expected a whole number',
  ],
  [inTenant(`"AllocSubnetLen":33`), "Tenants[0].AllocSubnetLen 33 is refused", "8 to 32"],
  [inTenant(`"AllocSubnetLen":24.5`), "Tenants[0].AllocSubnetLen 24.5 is refused"],
  [
    inTenant(`"SubnetPool":"11.1.0.0/22","AllocSubnetLen":20`),
    "Tenants[0].AllocSubnetLen 20 is refused: a /20 does not fit into the pool 11.1.0.0/22",
  ],
  [inTenant(`"Vlans":"1-5000"`), "Tenants[0].Vlans", "5000 is above 4095"],
  [inTenant(`"Vlans":"900-500"`), "Tenants[0].Vlans", 'write "500-900"'],
  [inTenant(`"Vlans":[11]`), "Tenants[0].Vlans […] is refused: expected a string"],
  [inTenant(`"Vxlans":"1-10,20-30"`), "Tenants[0].Vxlans", "one range"],
  [inTenant(`"Namespaces":["Shop"]`), "Tenants[0].Namespaces[0]", "is not a valid namespace"],
  [inNetwork(`"PktTagType":"gre"`), `${NETWORK}.PktTagType "gre" is refused`],
  [inNetwork(`"PktTag":true`), `${NETWORK}.PktTag true is refused`],
  [inNetwork(`"PktTag":"auto"`), `${NETWORK}.PktTag: "auto" is not a valid tag`, "leave it out"],
  [inNetwork(`"PktTag":-1`), `${NETWORK}.PktTag: -1 is not a valid tag`],
  [inNetwork(`"PktTag":1.5`), `${NETWORK}.PktTag: 1.5 is not a valid tag`],
  [inNetwork(`"PktTag":1e300`), `${NETWORK}.PktTag: 1e+300 is not a valid tag`],
  [inNetwork(`"PktTag":"16777216"`), `${NETWORK}.PktTag: "16777216" is not a valid tag`],
  [inNetwork(`"PktTagType":"vlan","PktTag":4095`), `${NETWORK}.PktTag 4095 is not a valid VLAN`],
  [
    inTenant(`"DefaultNetType":"vlan","Networks":[{"Name":"n","PktTag":"5000"}]`),
    "5000 is not a valid VLAN",
  ],
  [inNetwork(`"SubnetCIDR":"10.0.0.77/24"`), `${NETWORK}.SubnetCIDR`, "host bits"],
  [inNetwork(`${SUBNET},"DefaultGw":"10.2.0.1"`), `${NETWORK}.DefaultGw 10.2.0.1`, "outside"],
  [inNetwork(`${SUBNET},"DefaultGw":"10.1.0.0"`), `${NETWORK}.DefaultGw`, "network address"],
  [inNetwork(`${SUBNET},"DefaultGw":"10.1.0.255"`), `${NETWORK}.DefaultGw`, "broadcast address"],
  [inNetwork(`${SUBNET},"Reserve":["10.1.0.9","10.1.1.0"]`), `${NETWORK}.Reserve[1] 10.1.1.0`],
  [inNetwork(`"Reserve":["10.1.0.9-10.1.0.1"]`), `${NETWORK}.Reserve[0]`, "above its last"],
  [inNetwork(`${SUBNET},"AllocRange":"10.1.0.9-10.1.1.9"`), `${NETWORK}.AllocRange`, "outside"],
  [inNetwork(`"Description":7`), `${NETWORK}.Description 7 is refused: a string is wanted`],
  [inNetwork(`"Description":"${"x".repeat(201)}"`), `${NETWORK}.Description`, ONE_LINE],
  [inNetwork(String.raw`"Description":"a\nb"`), `${NETWORK}.Description`, ONE_LINE],
  [inNetwork(String.raw`"Description":"a\u2028b"`), `${NETWORK}.Description`, ONE_LINE],
  [inNetwork(String.raw`"Description":"\u001b[31m"`), `${NETWORK}.Description`, ONE_LINE],
  [inNetwork(String.raw`"Description":"\ud83d"`), `${NETWORK}.Description`, ONE_LINE],
  [inNetwork(`"Mtu":67`), `${NETWORK}.Mtu 67 is refused`, "68 to 65535"],
  [inNetwork(`"Default":"yes"`), `${NETWORK}.Default "yes" is refused: expected true or false`],
  [
    inNetwork(`"SubnetCIDR6":"fd00::/64"`),
    `${NETWORK}.SubnetCIDR6 is refused`,
    "not supported yet",
  ],
  [inNetwork(`"subnetcidr6":null`), `${NETWORK}.subnetcidr6 is refused`, "not supported yet"],
  [
    inNetwork(`"PodSelector":{"matchExpressions":[{"key":"a","operator":"In"}]}`),
    `${NETWORK}.PodSelector.matchExpressions[0]`,
    "In and NotIn take values",
  ],
  [
    inNetwork(
      `"PodSelector":{"matchExpressions":[{"key":"a","operator":"Exists","values":["b"]}]}`,
    ),
    `${NETWORK}.PodSelector.matchExpressions[0]`,
    "Exists and DoesNotExist take none",
  ],
  [
    inNetwork(`"NamespaceSelector":{"matchExpressions":[{"key":"a","operator":"in"}]}`),
    `${NETWORK}.NamespaceSelector.matchExpressions[0].operator "in" is refused`,
    "expected one of In, NotIn, Exists, DoesNotExist",
  ],
  [
    inNetwork(`"PodSelector":{"matchLabels":{"a":"b c"}}`),
    `${NETWORK}.PodSelector.matchLabels.a: "b c" is not a valid label value`,
    "letters, digits",
  ],
  [
    inNetwork(`"PodSelector":{"matchLabels":{"a b":"c"}}`),
    `${NETWORK}.PodSelector.matchLabels`,
    "one of its keys is not a valid label key",
  ],
  [
    inNetwork(`"PodSelector":{"matchExpressions":[{"key":"a/b/c","operator":"Exists"}]}`),
    `${NETWORK}.PodSelector.matchExpressions[0].key: "a/b/c" is not a valid label key`,
  ],
  [inNetwork(`"PodSelector":["a"]`), `${NETWORK}.PodSelector […] is refused`, "an object"],
  [inNetwork(`"Namespaces":["Shop"]`), `${NETWORK}.Namespaces[0]`, "is not a valid namespace"],
  [
    inNetwork(`"HoldAddress":"1d"`),
    `${NETWORK}.HoldAddress: "1d" is not a valid duration`,
    "1h30m",
  ],
  [inNetwork(`"HoldAddress":-1`), `${NETWORK}.HoldAddress: "-1" is not a valid duration`],
  [inNetwork(`"HoldAddress":"100000h"`), `${NETWORK}.HoldAddress: "100000h" is too long`],
  [inNetwork(`"HoldAddress":true`), `${NETWORK}.HoldAddress true is refused`, "seconds, or a text"],
  [
    inTenant(`"Networks":[{"Name":"a","Default":true},{"Name":"b","Default":true}]`),
    "Tenants[0].Networks[1].Default is refused",
  ],
  [
    inTenant(`"Networks":[{"Name":"a","SubnetCIDR":"10.0.0.0/16"},
      {"Name":"b","SubnetCIDR":"10.0.7.0/24"}]`),
    "Tenants[0].Networks[1].SubnetCIDR 10.0.7.0/24 is refused",
    "overlaps 10.0.0.0/16 of Tenants[0].Networks[0]",
  ],
  [
    inNetwork(`${SUBNET},"Endpoints":[{"Container":"c","IpAddress":"10.2.0.1"}]`),
    `${ENDPOINT}.IpAddress 10.2.0.1 is refused: it is outside 10.1.0.0/24`,
  ],
  [
    inNetwork(
      `${SUBNET},"DefaultGw":"10.1.0.9","Endpoints":[{"Container":"c","IpAddress":"10.1.0.9"}]`,
    ),
    `${ENDPOINT}.IpAddress 10.1.0.9 is refused: it is the gateway`,
  ],
  [
    inNetwork(
      `${SUBNET},"Reserve":["10.1.0.9"],"Endpoints":[{"Container":"c","IpAddress":"10.1.0.9"}]`,
    ),
    "it is reserved",
  ],
  [inEndpoint(`"IpAddress":"auto"`), `${ENDPOINT}.IpAddress: "auto" is not a valid IPv4 address`],
  [inEndpoint(`"Mac":"01:00:00:00:00:01"`), `${ENDPOINT}.Mac`, "unicast"],
  [inEndpoint(`"Mac":"00:00:00:00:00:00"`), `${ENDPOINT}.Mac`, "unicast"],
  [inEndpoint(`"Interface":"lo"`), `${ENDPOINT}.Interface`, "not lo"],
  [inEndpoint(`"Interface":"a/b"`), `${ENDPOINT}.Interface`],
  [inEndpoint(`"Host":"h;reboot"`), `${ENDPOINT}.Host: name "h;reboot" is not a valid name`],
  [inEndpoint(`"Namespace":"a_b"`), `${ENDPOINT}.Namespace`, "is not a valid namespace"],
  [inEndpoint(`"Labels":{"a":1}`), `${ENDPOINT}.Labels.a 1 is refused: expected a string`],
  [inRule(`"Direction":"up"`), "Tenants[0].Policies[0].Rules[0].Direction"],
  [inRule(`"Direction":"in","Priority":101`), "Rules[0].Priority 101 is refused", "1 to 100"],
  [inRule(`"Direction":"in","ToGroup":"g"`), "Rules[0].ToGroup is refused", "use FromGroup"],
  [inRule(`"Direction":"out","FromNetwork":"g"`), "Rules[0].FromNetwork is refused", "use ToGroup"],
  [inRule(`"Direction":"in","Port":80`), "Rules[0].Port 80 is refused", "only tcp and udp"],
  [inRule(`"Direction":"in","Protocol":"sctp"`), "Rules[0].Protocol", "is not a valid protocol"],
  [inRule(`"Direction":"in","Protocol":"tcp","Port":65536`), "Rules[0].Port 65536 is refused"],
  [inRule(`"Direction":"in","Protocol":"tcp","Port":-1`), "Rules[0].Port -1 is refused"],
  ...["10.010.0.0/16", "10.01.0.1"].map((address) =>
    [
      inRule(`"Direction":"in","FromIpAddress":"${address}"`),
      "is not a valid IPv4 address",
      "without leading zeros",
    ] as const
  ),
  [
    inRule(`"Direction":"in","FromIpAddress":"fd00::/8"`),
    'Rules[0].FromIpAddress: "fd00::/8" is refused: it looks like IPv6',
  ],
  [
    inRule(`"Direction":"in","FromIpAddress":"10.0.0.0/8","FromGroup":"g"`),
    "Rules[0].FromIpAddress is refused: the rule names a group, too",
  ],
  [
    inRule(`"Direction":"in","FromNetwork":"n","FromGroup":"g"`),
    "Rules[0].FromNetwork is refused",
    "more narrowly",
  ],
  [
    inTenant(`"Policies":[{"Name":"p","Rules":[{"Id":"1","Direction":"in","Action":"deny"},
      {"Id":"1","Direction":"in","Action":"allow"}]}]`),
    'Policies[0].Rules[1].Id "1" is given twice',
  ],
  [
    `{"HostBindings":[{"Container":"c","Host":"a"},{"Container":"c","Host":"b"}]}`,
    'HostBindings[1].Container "c" is given twice',
  ],
  [`{"Tenants":[{"Vlans":"x"},{"Vlans":"y"}]}`, "Tenants[0].Name is missing", "(3 more like this)"],
];

for (const [text, ...says] of refused) {
  Deno.test(`parseIntent() refuses ${text.slice(0, 150) || "nothing at all"}`, () => {
    const fault = assertThrows(() => parseIntent(text), Fault);
    assertEquals(fault.code, "usage");
    for (const words of says) assertStringIncludes(fault.message, words);
    assert(fault.message.length <= 200, fault.message);
    assert(!fault.message.includes("\n"));
  });
}

Deno.test("a VLAN range of one number is refused by its path, with the way to write it", () => {
  const fault = assertThrows(() => parseIntent(inTenant(`"Vlans":"11"`)), Fault);
  assertEquals(
    fault.message,
    'Tenants[0].Vlans: "11" is not a valid VLAN range: a range is MIN-MAX; write "11-11"',
  );
});

Deno.test("an empty network name is refused", () => {
  const text = inTenant(`"Networks":[{"Name":""}]`);
  assertThrows(() => parseIntent(text), Fault, "Tenants[0].Networks[0].Name is missing");
});

Deno.test("a negative prefix length is refused at once", () => {
  assertThrows(
    () => parseIntent(inNetwork(`"SubnetCIDR":"10.0.0.0/-1"`)),
    Fault,
    "is not a valid subnet",
  );
});

Deno.test("parseIntent() never throws anything but a Fault of one line, whatever stands in a file", () => {
  const key = fc.constantFrom(
    ...["Hosts", "Tenants", "Name", "Networks", "Endpoints", "Container", "PktTag", "Vlans"],
    ...["SubnetCIDR", "DefaultGw", "Labels", "PodSelector", "matchExpressions", "Policies"],
    ...["Rules", "__proto__", "constructor", "toString"],
  );
  const { any } = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: "medium" },
      fc.jsonValue({ maxDepth: 1 }),
      fc.array(tie("any"), { maxLength: 3 }),
      fc.array(fc.tuple(key, tie("any")), { maxLength: 4 }).map((pairs) =>
        Object.fromEntries(pairs)
      ),
    ),
  }));
  fc.assert(fc.property(any, (value) => {
    try {
      parseIntent(JSON.stringify(value));
    } catch (error) {
      assert(error instanceof Fault, String(error));
      assertEquals(error.code, "usage");
      assert(error.message.length <= 200 && !/\p{Cc}/u.test(error.message), error.message);
    }
  }));
});

Deno.test("parseIntent() keeps hostile label names as data", () => {
  const { intent } = parseIntent(inEndpoint(`"Labels":{"constructor":"a","toString":"b"}`));
  const labels = intent.tenants[0]?.networks[0]?.endpoints[0]?.labels;
  assertEquals(Object.entries(labels ?? {}), [["constructor", "a"], ["toString", "b"]]);
});

Deno.test("parseBindings() reads the original's files", () => {
  assertEquals(parseBindings(bindings.containerHostBindings)[0], {
    container: "myPod1",
    host: "host1",
  });
  assertEquals(
    parseBindings(`[{"Container":"c","Host":"h","AttachUUID":"0123456789ab","IpAddress":""}]`),
    [{ container: "c", host: "h", attachUuid: "0123456789ab" }],
  );
  assertEquals(parseBindings("[]"), []);
});

const oddBindings: readonly (readonly [string, string])[] = [
  ["{}", "bindings are not an array"],
  ["", "bindings is empty"],
  [`[{"Container":"c"}]`, "[0].Host is missing"],
  [`[{"Container":"c","Host":""}]`, "[0].Host is missing"],
  [`[{"Host":"h"}]`, "[0].Container is missing"],
  [`[{"Container":"c","Host":"a"},{"Container":"c","Host":"b"}]`, "[1].Container"],
  [`["c"]`, '[0] "c" is refused: expected an object'],
];

for (const [text, says] of oddBindings) {
  Deno.test(`parseBindings() refuses ${text || "nothing at all"}`, () => {
    assertStringIncludes(assertThrows(() => parseBindings(text), Fault).message, says);
  });
}

Deno.test("parseBindings() lets the same binding stand twice", () => {
  const one = `{"Container":"c","Host":"h"}`;
  assertEquals(parseBindings(`[${one},${one}]`).length, 2);
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
