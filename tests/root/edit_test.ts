// `edit` of the built file, with editors that are scripts.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";

/** Calls `edit` with an editor that is a line of shell, in which `$1` is the file; answers the question with `answer`. */
async function edit(
  { agent, dir }: Host,
  editor: string,
  answer = "y",
  ...words: string[]
): Promise<{ code: number; out: string; err: string }> {
  await Deno.writeTextFile(`${dir}/editor`, `#!/bin/sh\n${editor}\n`, { mode: 0o755 });
  const child = new Deno.Command("sh", {
    args: ["-c", 'echo "$A" | "$K" edit "$@"', "edit", ...words],
    env: {
      ...{ K: FILE, A: answer, EDITOR: `${dir}/editor`, VISUAL: "", TMPDIR: dir },
      K8CONTIVNET_SOCKET: agent.socket,
    },
    signal: hangSignal(60_000),
  });
  const { code, stdout, stderr } = await child.output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr).trim() };
}

const ADD =
  "sed -i 's/^\\( *\\)- Container: pod0$/\\1- Container: pod0\\n\\1- Container: new/' \"$1\"";

async function endpoints({ agent }: Host): Promise<string> {
  return (await agent.call("get", "endpoints", "-o", "name")).out.trim().split("\n").join(" ");
}

/** Returns the texts that edit has left in the folder. */
async function leftIn({ dir }: Host): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name)
    .filter((name) => name.endsWith(".yaml"));
}

Deno.test("edit shows the plan, asks, applies, and is in the history", async () => {
  await using host = await startHost(intentOf(2));
  const same = await edit(host, "true");
  assertEquals([same.code, same.out, same.err], [0, "", "nothing was changed"]);
  const comment = await edit(host, 'echo "# more" >>"$1"');
  assertEquals([comment.code, comment.err], [0, "nothing to change"]);

  const refused = await edit(host, ADD, "n");
  assertEquals(refused.code, 0, refused.err);
  assertMatch(refused.out, /^any host .*\n {2}\+ endpoint t\/blue\/new\n/);
  assertMatch(refused.err, /apply this\? \[y\/N\]\nnothing is changed; your text is in \S+\.yaml$/);
  assertEquals(await endpoints(host), "t/blue/pod0 t/blue/pod1");
  for (const name of await leftIn(host)) await Deno.remove(`${host.dir}/${name}`);

  const done = await edit(host, ADD, "yes");
  assertEquals(done.code, 0, done.err);
  assertMatch(done.err, /changed: 1 object, revision 2$/);
  assertEquals(await endpoints(host), "t/blue/new t/blue/pod0 t/blue/pod1");
  const { out } = await host.agent.call("history", "-o", "json");
  assertEquals(JSON.parse(out)[0].source, "edit");

  const removed = await edit(host, "sed -i '/Container: new/d' \"$1\"", "", "--yes");
  assertEquals([removed.code, await endpoints(host)], [0, "t/blue/pod0 t/blue/pod1"]);
  assert(!removed.err.includes("[y/N]"));
  assertEquals(await leftIn(host), []);
});

Deno.test("edit changes nothing on an error, keeps the text and says where", async () => {
  await using host = await startHost(intentOf(1));
  const cases: readonly [editor: string, code: number, message: RegExp, isKept: boolean][] = [
    ["exit 3", 1, /editor ".*" ended with 3: nothing is changed/, false],
    ['printf "a:\\n\\t- b" >"$1"', 2, /not valid YAML.*--prune -f \S+\.yaml/, true],
    [
      "sed -i 's/Container: pod0/Container: p od/' \"$1\"",
      2,
      /line \d+.*Endpoints\[0\]\.Container/,
      true,
    ],
    ['echo "Nonsense: 1" >>"$1"', 2, /Nonsense/, true],
    ['rm "$1"', 3, /intent file \S+\.yaml cannot be read.*it does not exist/, false],
  ];
  for (const [editor, code, message, isKept] of cases) {
    const { code: got, err } = await edit(host, editor, "y", "--strict");
    assertEquals(got, code, `${editor}: ${err}`);
    assertMatch(err, message);
    const left = await leftIn(host);
    assertEquals(left.length, isKept ? 1 : 0, editor);
    for (const name of left) await Deno.remove(`${host.dir}/${name}`);
  }
  const missing = await host.agent.callWith({ EDITOR: "/no/editor", VISUAL: "" }, "edit");
  assertMatch(missing.err, /editor "\/no\/editor" ended with 127: command not found/);
  assertEquals((await host.agent.call("history", "-o", "name")).out, "1\n");
});

Deno.test("edit is refused if somebody else has changed the intent while the editor was open", async () => {
  await using host = await startHost(intentOf(1));
  await Deno.writeTextFile(`${host.dir}/other.json`, JSON.stringify(intentOf(3)));
  const { code, err } = await edit(
    host,
    `${ADD}\n"$K" apply -f ${host.dir}/other.json >/dev/null 2>&1`,
  );
  assertEquals(code, 4, err);
  assertMatch(err, /the intent has changed meanwhile: revision 2 was made by .*; see k8contivnet/);
  assertEquals(await endpoints(host), "t/blue/pod0 t/blue/pod1 t/blue/pod2");
  const [left] = await leftIn(host);
  assertMatch(await Deno.readTextFile(`${host.dir}/${left}`), /Container: new/);
});
