// Completion in the real shells, with names of a running agent; and the man page, judged by mandoc.

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname } from "@std/path";
import { freezeProcess } from "../lab/freeze.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { hangSignal, scaled } from "../lab/limits.ts";
import { run } from "../lab/run.ts";

/** Runs a shell's script with the built file on the PATH; returns what it prints. */
async function shell(
  { command, script, socket, args = [] }: {
    readonly command: string;
    readonly script: string;
    readonly socket: string;
    readonly args?: readonly string[];
  },
): Promise<string> {
  const { stdout, stderr, code } = await new Deno.Command(command, {
    args: [...args, "-c", script],
    env: {
      ...{ PATH: `${dirname(FILE)}:/usr/bin:/bin`, K8CONTIVNET_SOCKET: socket },
      ...{ HOME: "/root", TERM: "dumb" },
    },
    clearEnv: true,
    stdin: "null",
    signal: hangSignal(60_000),
  }).output();
  const [out, err] = [stdout, stderr].map((one) => new TextDecoder().decode(one));
  assertEquals(code, 0, `${command}: ${err}`);
  return out ?? "";
}

/** What bash would offer for a line, which it splits as it does at the prompt. */
async function inBash(
  socket: string,
  words: readonly string[],
  command = "k8contivnet",
): Promise<string[]> {
  const list = words.map((one) => `'${one.replaceAll("'", `'\\''`)}'`).join(" ");
  const script = `source <(k8contivnet completion bash)
    COMP_WORDS=(${command} ${list}); COMP_CWORD=${words.length}
    _k8contivnet 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return lines(await shell({ command: "bash", script, socket, args: ["--norc"] }));
}

/** What fish offers for a line: words without what it says of them. */
async function inFish(socket: string, line: string): Promise<string[]> {
  const script = `k8contivnet completion fish | source; complete -C '${line}'`;
  const found = lines(await shell({ command: "fish", script, socket, args: ["--no-config"] }));
  return found.map((one) => one.split("\t")[0] ?? "");
}

/** What an interactive zsh makes of a line and a tab. */
async function inZsh(socket: string, line: string): Promise<string> {
  const script = `zmodload zsh/zpty
    zpty z env TERM=dumb zsh -f -i
    zpty -w z 'PS1=; unsetopt zle_bracketed_paste; autoload -U compinit; compinit -u -D; LISTMAX=9999'
    zpty -w z 'source <(k8contivnet completion zsh); bindkey "^I" complete-word; echo load"ed"'
    while zpty -r z text; do [[ $text != *loaded* ]] || break; done
    zpty -n -w z '${line}'$'\\t'
    sleep ${(scaled(2_500) / 1_000).toFixed(1)}
    zpty -n -w z $'\\C-a echo \\C-m'
    sleep 0.5
    while zpty -rt z text; do print -r -- "$text"; done
    zpty -d z`;
  return await shell({ command: "zsh", script, socket, args: ["-f"] });
}

const lines = (text: string) => text.split("\n").filter((one) => one !== "").sort();

async function withPods(): Promise<Host> {
  const host = await startHost(intentOf(2));
  await host.agent.setup(await host.pod("pod0"));
  await host.agent.setup(await host.pod("pod1"));
  return host;
}

Deno.test("bash completes commands, options, files, and names of the agent", async () => {
  await using host = await withPods();
  const { socket } = host.agent;
  assertEquals(await inBash(socket, ["doc"]), ["docs", "doctor"]);
  assertEquals(await inBash(socket, ["why", "po"]), ["pod0", "pod1"]);
  assertEquals(await inBash(socket, ["get", "networks", ""]), ["t/blue"]);
  assertEquals(await inBash(socket, ["get", "tenants", ""]), ["t"]);
  assertEquals(await inBash(socket, ["get", "pods", "--output", "=", "ya"]), ["yaml"]);
  assertEquals(await inBash(socket, ["rollback", ""]), ["1"]);
  await Deno.writeTextFile(`${host.dir}/my intent.json`, "{}");
  const files = await inBash(socket, ["apply", "-f", `${host.dir}/my`]);
  assertEquals(files, [`${host.dir}/my intent.json`]);
});

Deno.test("fish completes commands, options and names of the agent", async () => {
  await using host = await withPods();
  const { socket } = host.agent;
  assertEquals(await inFish(socket, "k8contivnet doc"), ["docs", "doctor"]);
  assertEquals(await inFish(socket, "k8contivnet why po"), ["pod0", "pod1"]);
  assertEquals(await inFish(socket, "k8contivnet ipam show "), ["t/blue"]);
  assertEquals(await inFish(socket, "k8contivnet get pods --output=ya"), ["--output=yaml"]);
  assertEquals(await inFish(socket, "k8contivnet trace --t"), ["--tcp"]);
  const files = await inFish(socket, `k8contivnet apply -f ${host.dir}/int`);
  assertEquals(files, [`${host.dir}/intent.json`]);
});

Deno.test("zsh completes at its prompt", async () => {
  await using host = await withPods();
  const { socket } = host.agent;
  assertStringIncludes(await inZsh(socket, "k8contivnet rollb"), "k8contivnet rollback ");
  assertStringIncludes(
    await inZsh(socket, "k8contivnet ipam show t"),
    "k8contivnet ipam show t/blue",
  );
  const offered = await inZsh(socket, "k8contivnet why pod");
  assertMatch(offered, /pod0\s+pod1|pod0[^]*pod1/);
  assertStringIncludes(
    await inZsh(socket, "k8contivnet get pods --output=ya"),
    "k8contivnet get pods --output=yaml",
  );
});

Deno.test("the flags of netplugin and netdcli are completed in all shells, also by their own names", async () => {
  const none = "/none/agent.sock";
  const labels = ["--host-label", "--host-range"];
  assertEquals(await inBash(none, ["netplugin", "--host-"]), labels);
  assertEquals(await inBash(none, ["--host-"], "/usr/local/bin/netplugin"), labels);
  assertEquals(await inBash(none, ["-datapath", "=", "sy"], "netplugin"), ["system"]);
  assertEquals(await inBash(none, ["-oper", "get", "-construct", "g"], "netdcli"), ["global"]);
  assertEquals(await inFish(none, "k8contivnet netplugin --host-"), labels);
  assertEquals(await inFish(none, "netplugin --host-"), labels);
  assertEquals(await inFish(none, "netplugin --datapath=sy"), ["--datapath=system"]);
  assertEquals(await inFish(none, "netdcli -add"), ["-add-cfg"]);
  assertStringIncludes(await inZsh(none, "netdcli -add"), "netdcli -add-cfg");
  assertStringIncludes(await inZsh(none, "netplugin --datapath=sy"), "--datapath=system");
  assertStringIncludes(await inZsh(none, "k8contivnet netplugin --log-f"), "--log-format");
});

Deno.test("what is typed is never evaluated, in any shell", async () => {
  await using host = await withPods();
  const { socket } = host.agent;
  const trap = `${host.dir}/trap`;
  const typed = `$(touch ${trap})`;
  await inBash(socket, ["why", typed]);
  await inBash(socket, [typed, ""]);
  await inFish(socket, `k8contivnet why \\$(touch ${trap})`);
  await inZsh(socket, "k8contivnet why \\$\\(touch\\ ${trap}\\)".replace("${trap}", trap));
  assert(!await Deno.stat(trap).then(() => true, () => false));
});

Deno.test("without an agent, or with one that hangs, only names are missing, and soon", async () => {
  await using host = await withPods();
  const { socket, pid } = host.agent;
  assertEquals(await inBash("/none/agent.sock", ["why", "po"]), []);
  assertEquals(await inBash("/none/agent.sock", ["doc"]), ["docs", "doctor"]);
  freezeProcess(pid);
  try {
    const startedMs = performance.now();
    assertEquals(await inBash(socket, ["why", "po"]), []);
    const tookMs = performance.now() - startedMs;
    assert(tookMs < scaled(5_000), `${tookMs} ms`);
  } finally {
    Deno.kill(pid, "SIGCONT");
  }
});

Deno.test("mandoc has no complaint about the man page", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  try {
    await Deno.writeTextFile(`${dir}/k8contivnet.8`, await run(FILE, ["docs", "man"]));
    const { code, stdout, stderr } = await new Deno.Command("mandoc", {
      args: ["-Tlint", `${dir}/k8contivnet.8`],
    }).output();
    const words = [stdout, stderr].map((one) => new TextDecoder().decode(one)).join("");
    assertEquals([code, words], [0, ""]);
    const shown = await run("mandoc", ["-Thtml", `${dir}/k8contivnet.8`]);
    assertStringIncludes(shown, "k8contivnet trace default/app default/web --tcp 8000");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
