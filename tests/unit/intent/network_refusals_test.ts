// Networks and endpoints that parseIntent() refuses, and what it says then.

import { assertThrows } from "@std/assert";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { inEndpoint, inNetwork, inTenant, testRefusals } from "./refused_intents.ts";

const NETWORK = "Tenants[0].Networks[0]";
const ONE_LINE = "one line of at most 200 characters is wanted";
const ENDPOINT = `${NETWORK}.Endpoints[0]`;
const SUBNET = `"SubnetCIDR":"10.1.0.0/24"`;

testRefusals([
  [inNetwork(`"Gateway":"10.0.0.1","DefaultGw":"10.0.0.1"`), `${NETWORK}.DefaultGw is given twice`],
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
]);

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
