// Files, hosts and tenants that parseIntent() refuses, and what it says then.

import { assert, assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseIntent } from "../../../lib/intent/schema.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { inTenant, testRefusals } from "./refused_intents.ts";

Deno.test("a file of what is to be deleted may name hosts alone, each once", () => {
  const read = (text: string) => parseIntent(text, { areNamesEnough: true }).intent.hosts;
  assertEquals(read(`{"Hosts":[{"Name":"h2"}]}`), [{ name: "h2" }]);
  assertThrows(() => read(`{"Hosts":[{"Name":"h"},{"Name":"h"}]}`), Fault, "Hosts[1].Name");
  assertThrows(() => read(`{"Hosts":[{"Intf":"e"}]}`), Fault, "Hosts[0].Name is missing");
});

testRefusals([
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
  [`{"Tenants":[{"Name":"t"},{"Name":"t"}]}`, 'Tenants[1].Name "t" is given twice'],
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
  [
    `{"HostBindings":[{"Container":"c","Host":"a"},{"Container":"c","Host":"b"}]}`,
    'HostBindings[1].Container "c" is given twice',
  ],
  [`{"Tenants":[{"Vlans":"x"},{"Vlans":"y"}]}`, "Tenants[0].Name is missing", "(3 more like this)"],
]);

Deno.test("a VLAN range of one number is refused by its path, with the way to write it", () => {
  const fault = assertThrows(() => parseIntent(inTenant(`"Vlans":"11"`)), Fault);
  assertEquals(
    fault.message,
    'Tenants[0].Vlans: "11" is not a valid VLAN range: a range is MIN-MAX; write "11-11"',
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
