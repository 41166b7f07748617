import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { parseResult, resultToJson } from "../../../lib/cni/cni_result.ts";
import { CNI_VERSIONS, CniError, type CniResult } from "../../../lib/cni/cni_types.ts";
import { runs } from "../cases.ts";

const FULL: CniResult = {
  interfaces: [
    { name: "veth1", mac: "02:02:0a:01:02:fe" },
    {
      ...{ name: "eth0", mac: "02:02:0a:01:02:03", mtu: 1450, sandbox: "/run/netns/a" },
      others: { socketPath: "/run/vhost", pciID: "0000:00:1f.6", "x-vendor": 1 },
    },
  ],
  ips: [
    { address: "10.1.2.3/24", gateway: "10.1.2.1", interface: 1, others: { "x-pool": "a" } },
    { address: "fd00::3/64", interface: 1 },
  ],
  routes: [
    { dst: "0.0.0.0/0", gw: "10.1.2.1", mtu: 1400, others: { priority: 5, "x-why": "a" } },
    { dst: "fd01::/64" },
  ],
  dns: { nameservers: ["10.0.0.10"], domain: "a", search: ["svc"], options: ["ndots:2"] },
  others: { "x-top": [1] },
};

Deno.test("version 1.1.0 has every field", () => {
  const json = resultToJson("1.1.0", FULL);
  assertEquals(json.includes("\n"), false);
  assertEquals(JSON.parse(json), {
    "x-top": [1],
    cniVersion: "1.1.0",
    interfaces: [
      { name: "veth1", mac: "02:02:0a:01:02:fe" },
      {
        ...{ name: "eth0", mac: "02:02:0a:01:02:03", mtu: 1450, sandbox: "/run/netns/a" },
        ...{ socketPath: "/run/vhost", pciID: "0000:00:1f.6", "x-vendor": 1 },
      },
    ],
    ips: [
      { address: "10.1.2.3/24", gateway: "10.1.2.1", interface: 1, "x-pool": "a" },
      { address: "fd00::3/64", interface: 1 },
    ],
    routes: [
      { dst: "0.0.0.0/0", gw: "10.1.2.1", mtu: 1400, priority: 5, "x-why": "a" },
      { dst: "fd01::/64" },
    ],
    dns: FULL.dns,
  });
});

Deno.test("older versions lack the fields of 1.1.0, and 0.3.1 and 0.4.0 have the family of each address", () => {
  for (const version of ["0.3.1", "0.4.0", "1.0.0"] as const) {
    const result = JSON.parse(resultToJson(version, FULL));
    const isOld = version !== "1.0.0";
    assertEquals(result.cniVersion, version);
    assertEquals(result.interfaces[1], {
      ...{ name: "eth0", mac: "02:02:0a:01:02:03", sandbox: "/run/netns/a", "x-vendor": 1 },
    });
    assertEquals(result.ips, [
      {
        ...(isOld && { version: "4" }),
        ...{ address: "10.1.2.3/24", gateway: "10.1.2.1", interface: 1, "x-pool": "a" },
      },
      { ...(isOld && { version: "6" }), address: "fd00::3/64", interface: 1 },
    ]);
    assertEquals(result.routes, [
      { dst: "0.0.0.0/0", gw: "10.1.2.1", "x-why": "a" },
      { dst: "fd01::/64" },
    ]);
  }
});

Deno.test("an empty result is its version and empty dns, as of the reference implementation", () => {
  const empty: CniResult = { interfaces: [], ips: [], routes: [], dns: {} };
  assertEquals(resultToJson("1.0.0", empty), '{"cniVersion":"1.0.0","dns":{}}');
  assertEquals(parseResult({}), empty);
  assertEquals(parseResult({ interfaces: null, ips: null, routes: null, dns: null }), empty);
});

Deno.test("a result of bridge and host-local 0.9 is read", () => {
  const result = parseResult({
    cniVersion: "0.3.1",
    interfaces: [
      { name: "cni0", mac: "3a:1c:00:00:00:01" },
      { name: "eth0", mac: "3a:1c:00:00:00:02", sandbox: "/var/run/netns/a" },
    ],
    ips: [{ version: "4", interface: 1, address: "10.88.0.5/16", gateway: "10.88.0.1" }],
    routes: [{ dst: "0.0.0.0/0" }, { dst: "10.0.0.0/8", gw: null }],
    dns: {},
  });
  assertEquals(result.ips, [{ address: "10.88.0.5/16", gateway: "10.88.0.1", interface: 1 }]);
  assertEquals(result.routes, [{ dst: "0.0.0.0/0" }, { dst: "10.0.0.0/8" }]);
});

const octet = fc.integer({ min: 0, max: 255 });
const ipv4 = fc.tuple(octet, octet, octet, octet).map((bytes) => bytes.join("."));
const ipv6 = fc.ipV6().filter((text) => !text.includes("%"));
const anyIp = fc.oneof(ipv4, ipv6);
const anyCidr = fc.oneof(
  fc.tuple(ipv4, fc.integer({ min: 0, max: 32 })),
  fc.tuple(ipv6, fc.integer({ min: 0, max: 128 })),
).map(([ip, bits]) => `${ip}/${bits}`);
const OWN_KEYS = ["cniVersion", "version", "interfaces", "ips", "routes", "dns", "name", "mac"]
  .concat("mtu", "sandbox", "address", "gateway", "interface", "dst", "gw", "ip4", "ip6")
  .concat("socketPath", "pciID", "advmss", "priority", "table", "scope");
const others = fc.dictionary(
  fc.string().filter((key) => !OWN_KEYS.includes(key) && key !== "__proto__"),
  fc.oneof(fc.string(), fc.integer(), fc.array(fc.string())),
  { minKeys: 1, maxKeys: 2 },
);

/** Results without fields of 1.1.0: every version can carry them. */
const plainResult: fc.Arbitrary<CniResult> = fc.record({
  interfaces: fc.array(
    fc.record({ name: fc.string(), mac: fc.string(), sandbox: fc.string(), others }, {
      requiredKeys: ["name"],
    }),
    { maxLength: 3 },
  ),
  ips: fc.array(
    fc.record({ address: anyCidr, gateway: anyIp, interface: fc.nat(), others }, {
      requiredKeys: ["address"],
    }),
    { maxLength: 3 },
  ),
  routes: fc.array(
    fc.record({ dst: anyCidr, gw: anyIp, others }, { requiredKeys: ["dst"] }),
    { maxLength: 3 },
  ),
  dns: fc.record({
    nameservers: fc.array(fc.string()),
    domain: fc.string(),
    search: fc.array(fc.string()),
    options: fc.array(fc.string()),
  }, { requiredKeys: [] }),
  others,
}, { requiredKeys: ["interfaces", "ips", "routes", "dns"] }).map(
  // fast-check also makes objects without a prototype, which JSON does not.
  (result): CniResult => JSON.parse(JSON.stringify(result)),
);

Deno.test("every version carries a result without loss, and takes over what another version wrote", () => {
  const version = fc.constantFrom(...CNI_VERSIONS);
  fc.assert(
    fc.property(plainResult, version, version, (result, first, second) => {
      const once = resultToJson(first, result);
      assertEquals(once.includes("\n"), false);
      assertEquals(parseResult(JSON.parse(once)), result);
      const twice = resultToJson(second, parseResult(JSON.parse(once)));
      assertEquals(parseResult(JSON.parse(twice)), result);
    }),
    runs(3_000),
  );
});

Deno.test("whatever JSON is a prevResult, it is read or refused with code 7", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      try {
        resultToJson("1.0.0", parseResult(value));
      } catch (error) {
        assertEquals(error instanceof CniError && error.code, 7, String(error));
      }
    }),
    runs(5_000),
  );
});

Deno.test("a broken result is refused by the name of its field", () => {
  const refused = (value: unknown, message: string) =>
    assertThrows(() => parseResult(value, "result"), CniError, message);
  refused({ ips: [{ address: "10.1.2.3" }] }, 'result.ips[0].address "10.1.2.3" is not valid');
  refused({ ips: [{ address: "10.1.2.3/24", gateway: "a" }] }, 'result.ips[0].gateway "a"');
  refused({ routes: [{ dst: "::/129" }] }, 'result.routes[0].dst "::/129"');
  refused({ interfaces: [{ name: "a", mtu: 1.5 }] }, "result.interfaces[0].mtu 1.5 is not valid");
  refused({ interfaces: [{ name: "a", mtu: "1500" }] }, "result.interfaces[0].mtu is a string");
  refused({ dns: { search: "a" } }, "result.dns.search is a string");
});
