import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { completeWords, joinEquals, type NameSource } from "../../../lib/cli/complete_words.ts";
import { COMMANDS } from "../../../lib/cli/command_table.ts";
import { NETDCLI_FLAGS } from "../../../lib/faces/netdcli.ts";
import { FLAGS } from "../../../lib/faces/netplugin_flags.ts";
import { runs } from "../cases.ts";

const NAMES: Readonly<Record<string, readonly string[]>> = {
  pods: ["web-0", "web-1", "kube-system/dns"],
  hosts: ["host1"],
  networks: ["t/blue"],
  revisions: ["12", "7"],
  namespaces: ["default", "kube-system"],
};

const names: NameSource = (kind, { items, namespace }) =>
  Promise.resolve(
    (NAMES[kind] ?? [`${items}-of-${namespace ?? "none"}`]).map((value) => ({ value, help: "" })),
  );

async function values(...words: string[]): Promise<string[] | "files"> {
  const { candidates, isFile } = await completeWords(words, { names });
  return isFile ? "files" : candidates.map(({ value }) => value);
}

Deno.test("commands, their words and names of the agent are completed by place", async () => {
  assertEquals(await values("do"), ["doctor", "docs"]);
  assert((await values("")).length > Object.keys(COMMANDS).length);
  assertEquals(await values("help", "rol"), ["rollback"]);
  assertEquals(await values("why", "web"), ["web-0", "web-1"]);
  assertEquals(await values("bind", "web-0", ""), ["host1"]);
  assertEquals(await values("bind", "web-0", "host1", ""), []);
  assertEquals(await values("trace", "web-0", "--tcp", "80", "k"), ["kube-system/dns"]);
  assertEquals(await values("get", "net"), ["networks"]);
  assertEquals(await values("get", "-n", "sys", "networks", ""), ["networks-of-sys"]);
  assertEquals(await values("ipam", "show", ""), ["t/blue"]);
  assertEquals(await values("rollback", ""), ["12", "7"]);
  assertEquals(await values("completion", "f"), ["fish"]);
  assertEquals(await values("intent", "check", "a.json", ""), "files");
  assertEquals(await values("exec", "web-0", "--", ""), "files");
  assertEquals(await values("nonsense", ""), []);
});

Deno.test("options are completed by command, and their values", async () => {
  assertEquals(await values("trace", "--t"), ["--tcp"]);
  assertEquals(await values("trace", "--no"), ["--no-color"]);
  assertEquals(await values("apply", "-f", ""), "files");
  assertEquals(await values("apply", "--file=x"), "files");
  assertEquals(await values("get", "pods", "-o", "cus"), ["custom-columns="]);
  assertEquals(await values("get", "pods", "--output=j"), ["json"]);
  // As bash splits it.
  assertEquals(await values("get", "pods", "--output", "=", "j"), ["json"]);
  assertEquals(await values("get", "pods", "--output", "="), [
    ...["table", "wide", "json", "yaml", "name", "custom-columns="],
  ]);
  assertEquals(await values("gc", "--host", ""), ["host1"]);
  assertEquals(await values("plan", "--to", "1"), ["12"]);
  assertEquals(await values("get", "pods", "-n", "k"), ["kube-system"]);
  assertEquals(await values("trace", "--tcp", ""), []);
});

Deno.test("names that a shell would interpret are left out", async () => {
  const hostile = ["$(reboot)", "`id`", "a b", "a;b", "'", "*", "x\n:files", ":files", "~root", ""];
  const found = await completeWords(
    ["why", ""],
    {
      names: () => Promise.resolve([...hostile, "good"].map((value) => ({ value, help: "" }))),
    },
  );
  assertEquals(found.candidates.map(({ value }) => value), ["good"]);
});

Deno.test("there are not more candidates than the limit, each once", async () => {
  const many = Array.from({ length: 2_000 }, (_, n) => ({ value: `pod-${n % 1_500}`, help: "" }));
  const { candidates } = await completeWords(["why", "pod"], {
    names: () => Promise.resolve(many),
  });
  assertEquals(candidates.length, 500);
});

Deno.test("whatever is typed, completion ends and goes on from it", async () => {
  const word = fc.oneof(
    fc.constantFrom("get", "why", "--", "-", "=", "--output", "-o", "-n", "help", "__proto__"),
    fc.string(),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(word), async (words) => {
      const { candidates, isFile } = await completeWords(words, { names });
      const last = joinEquals(words).at(-1) ?? "";
      const typed = last.replace(/^--?[a-z-]+=/, "");
      assert(
        isFile ||
          candidates.every(({ value }) => value.startsWith(typed) || value.startsWith(last)),
      );
    }),
    runs(1_000),
  );
});

Deno.test("each command of the table says what its arguments are completed with", () => {
  for (const [name, { takes, words }] of Object.entries(COMMANDS)) {
    const takesWords = /^[[A-Z(a-z]/.test(takes) && !["explain"].includes(name);
    assertEquals(words !== undefined, takesWords, name);
    const fixed = words?.[0];
    // The overview and the completion name the same words.
    if (takes.includes("|") && /^[a-z|]+( |$)/.test(takes)) {
      assertEquals(fixed, takes.split(" ")[0]!.split("|"), name);
    }
  }
});

Deno.test("flags of the agent and of netdcli are completed, with one dash or two, and their values", async () => {
  const faces = {
    netplugin: () => Promise.resolve(FLAGS),
    netdcli: () => Promise.resolve(NETDCLI_FLAGS),
  };
  const valuesOf = async (...words: string[]) => {
    const { candidates, isFile } = await completeWords(words, { names, faces });
    return isFile ? "files" : candidates.map(({ value }) => value);
  };
  assertEquals(await valuesOf("netplugin", "--host-"), ["--host-label", "--host-range"]);
  assertEquals(await valuesOf("netplugin", "--take-over", "-host-l"), ["-host-label"]);
  assertEquals(await valuesOf("netplugin", "--datapath", ""), ["auto", "system", "netdev"]);
  assertEquals(await valuesOf("netplugin", "--datapath", "=", "n"), ["netdev"]);
  assertEquals(await valuesOf("netplugin", "-datapath", "=", "n"), ["netdev"]);
  assertEquals(await valuesOf("get", "pods", "-o=ya"), ["yaml"]);
  assertEquals(await valuesOf("netplugin", "--log-format=j"), ["json"]);
  assertEquals(await valuesOf("netplugin", "--intent", ""), "files");
  assertEquals(await valuesOf("netplugin", "--host-label", "h"), []);
  assertEquals((await valuesOf("netplugin", "-")).length, FLAGS.length);
  assertEquals(await valuesOf("netdcli", "-c"), ["-cfg", "-construct"]);
  assertEquals(await valuesOf("netdcli", "-cfg", ""), "files");
  assertEquals(await valuesOf("netdcli", "-oper", ""), ["get"]);
  assertEquals(await valuesOf("netdcli", "-oper", "get", "-construct", "n"), ["network"]);
});
