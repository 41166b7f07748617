// The built file on a real terminal: progress, colours, width, and Ctrl-C at any moment.

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { HistoryItem } from "../../lib/agent/api/intent_requests.ts";
import { startEtcd } from "../lab/etcd.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";
import { pingOn } from "../lab/pings.ts";
import { CTRL_C, ESCAPE, Terminal, type TerminalOptions } from "../lab/terminal.ts";
import { waitFor } from "../lab/wait.ts";

/** So many endpoints take longer than a second anywhere. */
const MANY = 20_000;

function onTerminal(host: Host, line: string, options: TerminalOptions = {}): Terminal {
  const env = { K: FILE, K8CONTIVNET_SOCKET: host.agent.socket, ...options.env };
  return new Terminal(line, { ...options, env });
}

async function withIntent(count: number): Promise<{ dir: string; url: string; file: string }> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  const file = `${dir}/intent.json`;
  await Deno.writeTextFile(file, JSON.stringify(intentOf(count, "10.8.0.0/15")));
  return { dir, url: `sqlite:${dir}/store.db`, file };
}

async function call(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const { code, stdout, stderr } = await new Deno.Command(FILE, {
    args: words,
    ...{ stdin: "null", signal: hangSignal(120_000) },
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr).trim() };
}

Deno.test("a long apply shows its progress on a terminal; Ctrl-C says that the agent completes it", async () => {
  await using host = await startHost(intentOf(2, "10.8.0.0/15"));
  const { agent, dir } = host;
  const pods = [await host.pod("pod0"), await host.pod("pod1")];
  for (const pod of pods) await agent.setup(pod);
  await using pings = pingOn(pods[0]!, await agent.addressOf(pods[1]!), 0.05);
  await Deno.writeTextFile(`${dir}/many.json`, JSON.stringify(intentOf(MANY, "10.8.0.0/15")));
  await using one = onTerminal(host, `"$K" apply -f ${dir}/many.json >/dev/null`);
  await one.shows(/\rapply \[#*\.+\] \d+\/20000|\rapply \[#+\.*\] \d+\/\d+, \d+ s/);
  await one.type(CTRL_C);
  assertEquals(await one.ended(), 130);
  const last = one.lines.filter((line) => line !== "").at(-1);
  assertEquals(
    last,
    "k8contivnet: interrupted: the agent completes the change if it has begun it; see k8contivnet history",
  );
  const first = async (): Promise<HistoryItem> =>
    JSON.parse((await agent.call("history", "-o", "json")).out)[0];
  await waitFor("the agent to complete it", async () => (await first()).state === "done", {
    limitMs: 120_000,
  });
  assertEquals(
    (await agent.call("get", "endpoints", "-o", "name")).out.trim().split("\n").length,
    MANY,
  );
  assertEquals((await agent.call("ipam", "check")).code, 0);
  assert(pings.answered > 0);

  // An agent that answers late: of itself, going back takes less than a second on a quick machine.
  freezeProcess(agent.pid);
  await using back = onTerminal(host, '"$K" rollback 1 >/dev/null');
  await back.shows(/\r(apply|rollback) . \d+ s/);
  Deno.kill(agent.pid, "SIGCONT");
  assertEquals(await back.ended(120_000), 0);
  assertMatch(
    back.lines.filter((line) => line !== "").join("\n"),
    /^changed: \d+ objects, revision 3$/,
  );
  await using quiet = onTerminal(host, `"$K" apply -q -f ${dir}/many.json >/dev/null`);
  assertEquals([await quiet.ended(120_000), quiet.text], [0, ""]);
  const piped = await agent.call("apply", "-f", `${dir}/many.json`, "--prune");
  assertEquals([piped.code, piped.err], [0, "nothing to change"]);
});

Deno.test("an apply to a store that Ctrl-C or a signal ends says how far it was, and can be completed", async () => {
  const { dir, url, file } = await withIntent(5_000);
  const began = performance.now();
  assertEquals((await call("apply", "-f", file, "--store", `sqlite:${dir}/first.db`)).code, 0);
  const wholeMs = performance.now() - began;
  const seen = { interrupted: 0, nothing: 0, done: 0 };
  for (let n = 0; n < 12; n++) {
    const child = new Deno.Command(FILE, {
      args: ["apply", "-f", file, "--store", url],
      ...{ stdin: "null", stdout: "null", stderr: "piped" },
    }).spawn();
    // At moments from the first one to the last.
    await new Promise((done) => setTimeout(done, wholeMs * n / 12));
    const [signal, exit] = ([["SIGINT", 130], ["SIGTERM", 143]] as const)[n % 2]!;
    try {
      child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    const { code, stderr } = await child.output();
    const err = new TextDecoder().decode(stderr).trim();
    if (code === 0) seen.done++;
    else if (
      /^k8contivnet: apply interrupted: \d+ of \d+ objects are changed, as revision/.test(err)
    ) {
      seen.interrupted++;
      assertEquals(code, exit, err);
    } else {
      seen.nothing++;
      // Before the program runs, the signal ends it without a word.
      if (err !== "") {
        assertMatch(err, /^k8contivnet: (apply )?interrupted: nothing (was|is) changed$/);
      }
    }
    assert(!err.includes("\n"), err);
    if (!await Deno.stat(`${dir}/store.db`).then(() => true, () => false)) continue;
    const check = await call("ipam", "check", "--store", url);
    assertEquals(check.code, 0, check.out + check.err);
    const state = await call("history", "--store", url, "-o", "json");
    const open = (JSON.parse(state.out) as HistoryItem[]).filter((one) => one.state === "applying");
    assertEquals(open, [], "no revision is left open");
  }
  console.log(`12 interrupts: ${JSON.stringify(seen)}`);
  assert(seen.interrupted + seen.done > 0);
  assertEquals((await call("apply", "-f", file, "--store", url, "-q")).code, 0);
  const { out } = await call("get", "endpoints", "--store", url, "-o", "name");
  assertEquals(out.trim().split("\n").length, 5_000);
  const lasting = new Deno.Command("nohup", {
    args: [FILE, "apply", "-f", file, "--store", `sqlite:${dir}/lasting.db`],
    ...{ stdin: "null", stdout: "null", stderr: "null" },
  }).spawn();
  await waitFor("it to begin", () => Deno.stat(`${dir}/lasting.db`).then(() => true, () => false));
  lasting.kill("SIGHUP");
  assertEquals((await lasting.status).code, 0, "nohup lets it go on when its terminal ends");
  assertEquals((await call("rollback", "0", "--store", url, "-q")).code, 0);
  assertEquals((await call("get", "endpoints", "--store", url, "-o", "name")).out, "");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("store copy shows its progress, and Ctrl-C says how far it was", async () => {
  await using etcd = await startEtcd(await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" }));
  const { dir, url, file } = await withIntent(MANY);
  assertEquals((await call("apply", "-f", file, "--store", url, "-q")).code, 0);
  const to = etcd.url("/copy");
  await using one = new Terminal(`"$K" store copy ${url} ${to}`, { env: { K: FILE } });
  await one.shows(/\rstore copy \[#*\.*\] [1-9]\d*\/\d+, \d+ s/);
  await one.type(CTRL_C);
  assertEquals(await one.ended(), 130);
  const [, done, of] =
    /the copy was interrupted: (\d+) of (\d+) documents are written to the destination; copy again with --force/
      .exec(one.text) ?? [];
  assert(Number(done) > 0 && Number(done) < Number(of), one.text);
  const again = await call("store", "copy", url, to, "--force");
  assertMatch(again.out, new RegExp(`^copied: ${Number(of) - Number(done)} of ${of} documents\n$`));
  assertEquals((await call("ipam", "check", "--store", to)).code, 0);
  await Deno.remove(dir, { recursive: true });
});

Deno.test("Ctrl-C ends a command that waits for a server which does not answer", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 }); // it answers nobody
  const url = `etcd://127.0.0.1:${listener.addr.port}/x`;
  for (
    const line of [
      `get tenants --store ${url}`,
      `netdcli -oper get -construct global t -store ${url}`,
    ]
  ) {
    await using one = new Terminal(`"$K" ${line}`, { env: { K: FILE } });
    await one.shows(/\rreading the store . \d+ s/);
    await one.type(CTRL_C);
    assertEquals(await one.ended(), 130, one.text);
    assertMatch(one.text, /interrupted: nothing was changed\r\n$/, "nothing is shown after it");
  }
});

Deno.test("watches and captures end with a sentence at Ctrl-C, and a capture after its time", async () => {
  await using host = await startHost(intentOf(2));
  const pods = [await host.pod("pod0"), await host.pod("pod1")];
  for (const pod of pods) await host.agent.setup(pod);
  const cases = [
    ["get attachments -w", /pod1/, /^watch of attachments ended$/m],
    ["events -w -o name", /\+ /, /^watch of events ended$/m],
    [
      "capture --drops",
      /capturing what policies drop/,
      /^0 dropped packets here; what pods here send may be/m,
    ],
    ["capture pod0", /listening on/, /packets? captured/],
  ] as const;
  for (const [words, begun, end] of cases) {
    await using one = onTerminal(host, `"$K" ${words}`);
    await one.shows(begun);
    await one.type(CTRL_C);
    assertEquals(await one.ended(), 0, one.text);
    assertMatch(one.lines.join("\n"), end);
  }
  await using _pings = pingOn(pods[0]!, await host.agent.addressOf(pods[1]!), 0.1);
  for (const words of ["capture pod1 --timeout 2 -- icmp", "capture --drops --timeout 1"]) {
    await using one = onTerminal(host, `"$K" ${words}`);
    assertEquals(await one.ended(), 0, one.text);
  }
  const { code, out } = await host.agent.call("capture", "pod1", "--timeout", "2", "--", "icmp");
  assertEquals(code, 0);
  assert(out.length > 100, "packets until then are in the file");
});

Deno.test("edit: Ctrl-C ends an editor, and at the question it is a no; the text is kept", async () => {
  await using host = await startHost(intentOf(1));
  const add = `${host.dir}/add`;
  const line = "s/^\\( *\\)- Container: pod0$/&\\n\\1- Container: new/";
  await Deno.writeTextFile(add, `#!/bin/sh\nsed -i '${line}' "$1"\n`, { mode: 0o755 });
  const env = { EDITOR: add, VISUAL: "", TMPDIR: host.dir };
  await using asked = onTerminal(host, '"$K" edit', { env });
  await asked.shows(/apply this\? \[y\/N\]/);
  await asked.type(CTRL_C);
  assertEquals(await asked.ended(), 0, asked.text);
  const [, kept = ""] = /nothing is changed; your text is in (\S+\.yaml)/.exec(asked.text) ?? [];
  assertMatch(await Deno.readTextFile(kept), /Container: new/);

  const slow = { ...env, EDITOR: "echo edits; sleep 600; echo" };
  await using editing = onTerminal(host, '"$K" edit', { env: slow });
  await editing.shows(/^edits/m);
  await editing.type(CTRL_C);
  assertEquals(await editing.ended(), 1, editing.text);
  assertMatch(editing.text, /editor ".*" ended with 130: nothing is changed/);
  assertEquals((await host.agent.call("history", "-o", "name")).out, "1\n");
});

Deno.test("colours are for terminals, and not with NO_COLOR, --no-color or a dumb one", async () => {
  await using host = await startHost(intentOf(1));
  const line = '"$K" plan --to 0 --force';
  const coloured = `${ESCAPE}[31m- endpoint t/blue/pod0${ESCAPE}[0m`;
  for (
    const [command, env, isColoured] of [
      [line, {}, true],
      [line, { NO_COLOR: "1" }, false],
      [line, { TERM: "dumb" }, false],
      [`${line} --no-color`, {}, false],
      [`${line} | cat`, {}, false],
    ] as const
  ) {
    await using one = onTerminal(host, command, { env });
    assertEquals(await one.ended(), 0);
    assertEquals(
      one.text.includes(coloured),
      isColoured,
      `${command} ${JSON.stringify(env)}: ${one.text}`,
    );
    assertMatch(one.text, /- endpoint t\/blue\/pod0/);
  }
});

Deno.test("help fits the terminal, and output ends where its reader does", async () => {
  for (const columns of [50, 80]) {
    await using one = new Terminal('"$K" help; "$K" get -h', { env: { K: FILE }, columns });
    assertEquals(await one.ended(), 0);
    const wide = one.lines.filter((line) => line.length > columns && !/^\s*e\.g\. /.test(line));
    assertEquals(wide, []);
  }
  const { dir, url, file } = await withIntent(MANY);
  assertEquals((await call("apply", "-f", file, "--store", url, "-q")).code, 0);
  const readers = [
    ...["get endpoints", "get endpoints -o json", "get endpoints -o yaml", "history -p"],
    ...["plan --to 0 --force", "ipam show -o json", "get endpoints -o custom-columns=A:address"],
  ];
  for (const words of readers) {
    const { stdout, stderr } = await new Deno.Command("bash", {
      args: ["-c", `"$K" ${words} --store ${url} | head -n 1; echo "\${PIPESTATUS[0]}"`],
      env: { K: FILE },
      signal: hangSignal(60_000),
    }).output();
    const [out, err] = [stdout, stderr].map((one) => new TextDecoder().decode(one));
    assertMatch(out!, /^.+\n0\n$/, words);
    assertMatch(err!, /^(would change: \d+ objects\n)?$/, words);
  }
  const full = await new Deno.Command("sh", {
    args: [
      "-c",
      `"$K" get endpoints --store ${url} >/dev/full; echo $?; "$K" nonsense 2>/dev/full; echo $?`,
    ],
    env: { K: FILE },
  }).output();
  assertEquals(new TextDecoder().decode(full.stdout), "1\n2\n");
  assertEquals(
    new TextDecoder().decode(full.stderr),
    "k8contivnet: the output cannot be written: No space left on device; write it to another place\n",
  );
  await Deno.remove(dir, { recursive: true });
});
