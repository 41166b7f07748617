import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { FLAGS, type FlagValues, isSet, parseFlags } from "../../../lib/faces/netplugin_flags.ts";
import { Fault } from "../../../lib/util/errors.ts";

const nothing = { env: () => undefined, readFile: () => "{}" };

// A driver that is not named, or that nobody knows, was an error of the original's start.
const refused: readonly { args: readonly string[]; says: string }[] = [
  { args: ["--ovs-driver", "openflow"], says: "one of jsonrpc, vsctl" },
  { args: ["--link-driver=brctl"], says: "one of auto, netlink, ip" },
  { args: ["-datapath", "dpdk"], says: "one of auto, system, netdev" },
  { args: ["--ovs-driver="], says: "needs a value" },
  { args: ["-host-lable", "host1"], says: "did you mean --host-label?" },
];

for (const { args, says } of refused) {
  Deno.test(`parseFlags() refuses ${args.join(" ")}`, () => {
    const fault = assertThrows(() => parseFlags(args, nothing), Fault);
    assertEquals(fault.code, "usage");
    assertStringIncludes(fault.message, says);
  });
}

const labels: readonly (readonly string[])[] = [
  ["-host-label", "host1"],
  ["--host-label", "host1"],
  ["-host-label=host1"],
  ["--host-label=host1"],
];

for (const args of labels) {
  Deno.test(`parseFlags() reads the label from ${args.join(" ")}`, () => {
    assertEquals(parseFlags(args, nothing).get("host-label"), ["host1"]);
  });
}

const FLAG_FILE = "/etc/k8contivnet.json";

/** Parses arguments, environment and a config file. */
function flagsOf(
  { args = [], env = {}, file }: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly file?: string;
  },
): FlagValues {
  const config = file === undefined ? [] : ["--config", FLAG_FILE];
  return parseFlags([...config, ...args], {
    env: (name) => env[`${name}`],
    readFile: () => file ?? "{}",
  });
}

/** Returns how a flag is set to `text` in each of the three places. */
const placesOf = (name: string, text: string): readonly Parameters<typeof flagsOf>[0][] => [
  { args: [`--${name}=${text}`] },
  { env: { [`K8CONTIVNET_${name.toUpperCase().replaceAll("-", "_")}`]: text } },
  { file: JSON.stringify({ [name]: text }) },
];

const spellings: readonly (readonly [name: string, text: string, value: string])[] = [
  ...["true", "True", "TRUE", "1", "t", "yes", "on"].map((text) =>
    ["kube-insecure", text, "true"] as const
  ),
  ...["false", "False", "0", "f", "no", "off"].map((text) =>
    ["kube-insecure", text, "false"] as const
  ),
  ["grace", "1m", "60"],
  ["grace", "90s", "90"],
  ["heartbeat", "1min 30s", "90"],
  ["call-limit", "2.5", "2.5"],
  ["log-level", "DEBUG", "debug"],
  ["log-format", "JSON", "json"],
];

for (const [name, text, value] of spellings) {
  Deno.test(`${name} ${text} is ${value} as flag, in the environment and in the file`, () => {
    for (const place of placesOf(name, text)) {
      const flags = flagsOf(place);
      assertEquals(flags.get(name), [value], JSON.stringify(place));
      assertEquals(isSet(flags, name), value === "true");
    }
  });
}

const wrong: readonly (readonly [name: string, text: string])[] = [
  ["log-drops", "maybe"],
  ["take-over", "2"],
  ["uplink-force", "null"],
  ["grace", "soon"],
  ["grace", "1d"],
  ["heartbeat", "-1"],
  ["call-limit", "8 parsecs"],
  ["log-level", "loud"],
  ["datapath", "dpdk"],
];

for (const [name, text] of wrong) {
  Deno.test(`${name} ${text} is refused by name, wherever it is set`, () => {
    const variable = `K8CONTIVNET_${name.toUpperCase().replaceAll("-", "_")}`;
    const names = [`--${name}`, variable, `"${name}" of config ${FLAG_FILE}`];
    for (const [n, place] of placesOf(name, text).entries()) {
      const fault = assertThrows(() => flagsOf(place), Fault);
      assertEquals(fault.code, "usage");
      assertStringIncludes(fault.message, `${names[n]} "${text}" is `);
    }
  });
}

Deno.test("a flag without a value is true, and a later one decides", () => {
  const given = (...args: string[]) => isSet(flagsOf({ args }), "take-over");
  assertEquals([given(), given("--take-over"), given("-take-over")], [false, true, true]);
  assertEquals(given("--take-over=no", "--take-over"), true);
  assertEquals(given("--take-over", "--take-over=off"), false);
  assertEquals(given("--take-over", "false"), false);
  const env = { K8CONTIVNET_TAKE_OVER: "yes" };
  assertEquals(isSet(flagsOf({ args: ["--take-over=false"], env }), "take-over"), false);
});

Deno.test("true, false and numbers of JSON are values in the file", () => {
  const flags = flagsOf({ file: '{"log-drops":true,"take-over":false,"grace":90,"host-label":7}' });
  assertEquals([isSet(flags, "log-drops"), isSet(flags, "take-over")], [true, false]);
  assertEquals([flags.get("grace"), flags.get("host-label")], [["90"], ["7"]]);
});

const unset = ["null", '""', '" "', "[]", "[null]", '[""]'];
for (const value of unset) {
  Deno.test(`${value} in the file means that a flag is not set`, () => {
    const names = FLAGS.map(({ name }) => name).filter((name) => name !== "config");
    const file = `{${names.map((name) => `"${name}":${value}`).join()}}`;
    assertEquals(
      flagsOf({ file, args: ["--node-name", "n"] }),
      flagsOf({
        file: "{}",
        args: ["--node-name", "n"],
      }),
    );
  });
}

Deno.test("an empty or blank variable means that a flag is not set, also that of --config", () => {
  const names = FLAGS.map(({ name }) => `K8CONTIVNET_${name.toUpperCase().replaceAll("-", "_")}`);
  for (const text of ["", " "]) {
    const env = Object.fromEntries(names.map((name) => [name, text]));
    assertEquals(flagsOf({ env }), flagsOf({}));
  }
});

Deno.test("null and empty text in the file leave the environment's value, and a flag's default", () => {
  const flags = flagsOf({
    file: '{"kubeconfig":null,"node-name":"","grace":null}',
    env: { K8CONTIVNET_KUBECONFIG: "/k", K8CONTIVNET_GRACE: "" },
  });
  assertEquals([flags.get("kubeconfig"), flags.get("node-name")], [["/k"], undefined]);
  assertEquals(flags.get("grace"), ["60"]);
});

Deno.test("a byte order mark at the start of the file is skipped", () => {
  assertEquals(flagsOf({ file: '\ufeff{"host-label":"h"}' }).get("host-label"), ["h"]);
});

const wrongFiles: readonly (readonly [file: string, says: string])[] = [
  ["{", "it is not JSON"],
  ["[]", "it is not a JSON object"],
  ['{"hostlabel":"h"}', 'unknown flag "hostlabel"'],
  ['{"host-label":true}', 'the value of "host-label" must be text'],
  ['{"host-label":{"a":1}}', 'the value of "host-label" must be text'],
  ['{"log-drops":{}}', 'the value of "log-drops" must be true or false'],
  ['{"host-label":["a","b"]}', '"host-label" has more than one value'],
];
for (const [file, says] of wrongFiles) {
  Deno.test(`the file ${file} is refused: ${says}`, () => {
    const fault = assertThrows(() => flagsOf({ file }), Fault);
    assertEquals(fault.code, "usage");
    assertStringIncludes(fault.message, `config ${FLAG_FILE} refused: ${says}`);
  });
}

Deno.test("the file may name several intents", () => {
  assertEquals(flagsOf({ file: '{"intent":["a",null,"b"]}' }).get("intent"), ["a", "b"]);
});

Deno.test("a --config file that cannot be read is refused, and says why", () => {
  const readFile = () => {
    throw new Deno.errors.NotFound("No such file or directory (os error 2): readfile '/x.json'");
  };
  assertThrows(
    () => parseFlags(["--config", "/x.json"], { env: () => undefined, readFile }),
    Fault,
    "config /x.json refused: it cannot be read: No such file or directory",
  );
});
