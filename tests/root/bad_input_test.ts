// Bad input and what it gets: an exit code, one line of at most 200 characters that holds the named
// thing, and a world that is the same as before.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Host, intentOf, startHost, worldOf } from "../lab/host.ts";
import { randomHex } from "../lab/pod.ts";

/** One call that must be refused. */
interface Case {
  readonly name: string;
  /** Words of the call; FILE stands for a file that holds `file`. */
  readonly words: readonly string[];
  readonly file?: string | Uint8Array<ArrayBuffer>;
  readonly env?: Record<string, string>;
  readonly code: number;
  /** The named thing. */
  readonly says: RegExp;
}

const ID = randomHex(64);
const LONG = "n".repeat(300);

/** A tenant like those of the examples, with one thing in it changed. */
function intentWith(
  tenant: Record<string, unknown>,
  network: Record<string, unknown> = {},
): string {
  return JSON.stringify({
    Tenants: [{
      Name: "bad",
      DefaultNetType: "vlan",
      SubnetPool: "11.1.0.0/16",
      AllocSubnetLen: 24,
      Vlans: "11-28",
      Networks: [{ Name: "orange", Endpoints: [{ Container: "c1" }], ...network }],
      ...tenant,
    }],
  });
}

const endpoint = (parts: Record<string, unknown>) =>
  intentWith({}, { Endpoints: [{ Container: "c1", ...parts }] });

const apply = (name: string, file: Case["file"], says: RegExp, code = 2): Case => ({
  name,
  words: ["apply", "-f", "FILE"],
  ...(file === undefined ? {} : { file }),
  code,
  says,
});

const INTENTS: readonly Case[] = [
  apply("wrong type", intentWith({ AllocSubnetLen: "many" }), /Tenants\[0\]\.AllocSubnetLen/),
  apply("a single VLAN for a range", intentWith({ Vlans: "11" }), /"11".*11-11/),
  apply("range with two dashes", intentWith({ Vlans: "5--100" }), /5--100/),
  apply("range backwards", intentWith({ Vlans: "200-101" }), /200-101/),
  apply("range beyond 4095", intentWith({ Vlans: "101-5000" }), /101-5000/),
  apply(
    "negative prefix length",
    intentWith({}, { SubnetCIDR: "10.0.0.0/-1" }),
    /10\.0\.0\.0\/-1/,
  ),
  apply("prefix length 33", intentWith({}, { SubnetCIDR: "10.0.0.0/33" }), /10\.0\.0\.0\/33/),
  apply("pool that is not a subnet", intentWith({ SubnetPool: "11..5.0.0" }), /11\.\.5\.0\.0/),
  apply(
    "pool smaller than its subnets",
    intentWith({ SubnetPool: "11.1.0.0/22", AllocSubnetLen: 20 }),
    /AllocSubnetLen|\/20|22/,
  ),
  apply("empty network name", intentWith({}, { Name: "" }), /Networks\[0\]\.Name/),
  apply("name with a slash", intentWith({}, { Name: "a/b" }), /a\/b/),
  apply("name with dots", intentWith({}, { Name: "../up" }), /\.\.\/up/),
  apply("name with a blank", intentWith({}, { Name: "a b" }), /a b/),
  apply("name with quotes", intentWith({}, { Name: 'a"b' }), /Networks\[0\]\.Name/),
  apply("name with a shell's words", intentWith({}, { Name: "$(reboot)" }), /\$\(reboot\)/),
  apply("name of 300 characters", intentWith({}, { Name: LONG }), /nnnn/),
  apply(
    "address outside its subnet",
    intentWith({}, {
      SubnetCIDR: "10.0.0.0/24",
      Endpoints: [{ Container: "c1", IpAddress: "12.0.0.1" }],
    }),
    /12\.0\.0\.1/,
  ),
  apply("address outside its tenant's pool", endpoint({ IpAddress: "12.0.0.1" }), /12\.0\.0\.0/),
  apply(
    "address that is the broadcast address",
    endpoint({ IpAddress: "11.1.0.255" }),
    /11\.1\.0\.255/,
  ),
  apply("invalid address", endpoint({ IpAddress: "auto" }), /auto/),
  apply("multicast MAC", endpoint({ Mac: "01:00:5e:00:00:01" }), /01:00:5e:00:00:01/i),
  apply("MTU of 10", intentWith({}, { Mtu: 10 }), /Mtu/),
  apply(
    "IPv6 subnet",
    intentWith({}, { SubnetCIDR6: "fd00::/64" }),
    /SubnetCIDR6.*not supported yet/,
  ),
  apply("duplicate network", intentWith({ Networks: [{ Name: "o" }, { Name: "o" }] }), /"?o"?/),
  apply(
    "key given twice in two spellings",
    intentWith({ subnetpool: "11.2.0.0/16" }),
    /subnetpool/i,
  ),
  apply("not JSON", "{ this is not JSON", /line 1/),
  apply("an array", "[1]", /not an object|Host/),
  apply("empty file", "", /empty/),
  apply("not UTF-8", new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), /UTF-8/),
  apply(
    "the same fixed address twice",
    intentWith({}, {
      Endpoints: [{ Container: "a", IpAddress: "11.1.0.9" }, {
        Container: "b",
        IpAddress: "11.1.0.9",
      }],
    }),
    /11\.1\.0\.9/,
  ),
  apply(
    "full pool",
    intentWith({}, {
      SubnetCIDR: "11.9.0.0/30",
      Endpoints: [{ Container: "a" }, { Container: "b" }, { Container: "c" }],
    }),
    /11\.9\.0\.0\/30.*full/,
    4,
  ),
  apply(
    "no VLAN left",
    intentWith({ Vlans: "11-11", Networks: [{ Name: "a" }, { Name: "b" }] }),
    /[Vv]lan|VLAN/,
    4,
  ),
  apply(
    "VLAN that another tenant has",
    intentWith({}, { PktTagType: "vlan", PktTag: 100 }),
    /100/,
    4,
  ),
  {
    name: "unknown key with --strict",
    words: ["apply", "--strict", "-f", "FILE"],
    file: intentWith({ Vlan: "11-28" }),
    code: 2,
    says: /Vlans/,
  },
  {
    ...apply("missing file", undefined, /\/nowhere\.json/, 3),
    words: ["apply", "-f", "/nowhere.json"],
  },
  {
    ...apply("a folder without intents", undefined, /\/usr\/sbin has no intent/, 3),
    words: ["apply", "-f", "/usr/sbin"],
  },
  { ...apply("no file", undefined, /-f/), words: ["apply"] },
];

const CALLS: readonly Case[] = [
  { name: "setup with two words", words: ["setup", "default", "p"], code: 2, says: /setup/ },
  { name: "setup with four words", words: ["setup", "a", "b", ID, "c"], code: 2, says: /setup/ },
  { name: "id that is too short", words: ["setup", "default", "p", "abc"], code: 2, says: /"abc"/ },
  {
    name: "id that is not hexadecimal",
    words: ["setup", "default", "p", "../../etc/passwd"],
    code: 2,
    says: /passwd/,
  },
  { name: "id of 65 digits", words: ["teardown", "default", "p", `${ID}0`], code: 2, says: /id/ },
  { name: "pod name with a slash", words: ["setup", "default", "a/b", ID], code: 2, says: /a\/b/ },
  {
    name: "namespace of a shell's words",
    words: ["setup", "$(id)", "p", ID],
    code: 2,
    says: /\$\(id\)/,
  },
  {
    name: "pod name of 300 characters",
    words: ["setup", "default", LONG, ID],
    code: 2,
    says: /nnn/,
  },
  {
    name: "sandbox that is not there",
    words: ["setup", "default", "pod0", ID],
    code: 3,
    says: new RegExp(ID.slice(0, 12)),
  },
  { name: "unknown command", words: ["aply"], code: 2, says: /aply.*apply/ },
  { name: "unknown option", words: ["get", "attachments", "--bogus"], code: 2, says: /--bogus/ },
  { name: "unknown kind", words: ["get", "potato"], code: 2, says: /potato.*kinds:/ },
  { name: "unknown name", words: ["get", "networks", "nowhere"], code: 3, says: /nowhere/ },
  { name: "unknown output format", words: ["get", "networks", "-o", "xml"], code: 2, says: /xml/ },
  {
    name: "option of another command, which would be ignored",
    words: ["bind", "pod0", "host2", "--dry-run"],
    code: 2,
    says: /bind has no --dry-run.*bind -h/,
  },
  { name: "help of nothing", words: ["help", "aply"], code: 2, says: /"aply".*apply/ },
  { name: "kind in part", words: ["get", "net"], code: 2, says: /did you mean networks\?/ },
  { name: "bind with one word", words: ["bind", "pod0"], code: 2, says: /bind/ },
  {
    name: "unknown agent flag",
    words: ["netplugin", "--host-lable", "x"],
    code: 2,
    says: /host-lable.*host-label/,
  },
  {
    name: "agent flag of another value",
    words: ["netplugin", "--datapath", "fast"],
    code: 2,
    says: /fast/,
  },
  {
    name: "netdcli with an unknown flag",
    words: ["netdcli", "-bogus", "x"],
    code: 2,
    says: /bogus/,
  },
];

Deno.test("bad input is refused with its code, one line that names it, and nothing changed", async (t) => {
  await using host = await startHost(intentOf(2));
  await host.agent.setup(await host.pod("pod0"));
  const before = await worldOf(host);
  for (const one of [...INTENTS, ...CALLS]) {
    await t.step(one.name, async () => {
      await assertRefused(host, one);
      assertEquals(await worldOf(host), before);
    });
  }
});

async function assertRefused({ agent, dir }: Host, one: Case): Promise<void> {
  const path = `${dir}/bad.json`;
  if (typeof one.file === "string") await Deno.writeTextFile(path, one.file);
  else if (one.file) await Deno.writeFile(path, one.file);
  const words = one.words.map((word) => word === "FILE" ? path : word);
  const { code, out, err } = await agent.callWith(one.env ?? {}, ...words);
  assertSentence(err, one.says);
  assertEquals(code, one.code, err);
  assertEquals(out, "");
}

function assertSentence(err: string, says: RegExp): void {
  assertMatch(err, says);
  assert(!err.includes("\n"), `more than one line:\n${err}`);
  // Where it is in a file takes as long as the file's path.
  const sentence = err.replace(/^k8contivnet: \/\S+, line \d+, column \d+: /, "");
  assert(sentence.length <= 200, `${sentence.length} characters: ${err}`);
}
