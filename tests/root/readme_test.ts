// The README's commands, run as they stand there, in a fresh folder, by a shell; and the messages that it
// quotes, looked for in the code.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { FILE, type Host, startHost } from "../lab/host.ts";

const ROOT = new URL("../../", import.meta.url);
const README = await Deno.readTextFile(new URL("README.md", ROOT));

/** Returns the contents of the README's code blocks that start with this mark, such as "sh". */
function blocks(mark: string): string[] {
  return [...README.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)]
    .flatMap(([, language, text]) => language === mark ? [text ?? ""] : []);
}

/** Returns the lines that call this program. */
function commandsOf(block: string): string[] {
  return block.split("\n").filter((line) => /^(k8contivnet|netdcli|ip) /.test(line));
}

/** Makes a fresh folder for a host's commands, and returns what runs a line there. */
async function freshFolder(host: Host) {
  const dir = `${host.dir}/fresh`;
  await Deno.mkdir(`${dir}/bin`, { recursive: true });
  for (const name of ["k8contivnet", "netdcli"]) await Deno.symlink(FILE, `${dir}/bin/${name}`);
  const sh = async (line: string) => {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", line],
      cwd: dir,
      env: { PATH: `${dir}/bin:${Deno.env.get("PATH")}`, K8CONTIVNET_SOCKET: host.agent.socket },
      signal: AbortSignal.timeout(60_000),
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  };
  return { dir, sh };
}

Deno.test("the README's commands do what it says, in its order", async () => {
  const all = blocks("sh").flatMap(commandsOf);
  const agentAt = all.findIndex((line) => line.startsWith("k8contivnet netplugin"));
  assert(agentAt > 0 && all.length > 8, all.join("\n"));
  await using host = await startHost({});
  const { dir, sh } = await freshFolder(host);
  for (const [at, line] of all.entries()) {
    if (at === agentAt) {
      // The same flags, with this lab's places.
      await host.agent.stop();
      await host.agent.start("--intent", `${dir}/intent.json`);
      continue;
    }
    const { code, out, err } = await sh(line);
    assertEquals(code, 0, `${line}\n${err}`);
    if (line.includes(" status ")) assertEquals(JSON.parse(out).ip, "10.20.0.10");
  }
});

Deno.test("the README's policies are in force, and its commands show it", async () => {
  const [policies] = blocks("json");
  const commands = blocks("").flatMap(commandsOf);
  const trace = commands.find((line) => line.includes(" trace "));
  const get = commands.find((line) => line.includes(" get policies"));
  assert(policies && trace && get, "README has no such block");
  const endpoints = ["web", "app"].map((name) => ({ Container: name, Group: name }));
  const networks = [{ Name: "n1", Endpoints: endpoints }];
  await using host = await startHost({
    Tenants: [tenantWith({ Networks: networks, ...JSON.parse(`{${policies}}`) })],
  });
  for (const name of ["web", "app"]) await host.agent.setup(await host.pod(name));
  const { sh } = await freshFolder(host);
  assertMatch((await sh(trace)).out, /^allowed +default\/app /);
  assertMatch((await sh(trace.replace("8000", "8001"))).out, /^denied +default\/app /);
  assertMatch((await sh(get)).out, /^t\/p1 +contiv +2 +web +1 /m);
});

Deno.test("the messages in the README's table are those of the code", async () => {
  const table = README.split("## Troubleshooting")[1]?.split("\n## ")[0] ?? "";
  const quoted = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, message]) => message ?? "");
  assert(quoted.length >= 6, table);
  const code = await sources(new URL("lib/", ROOT));
  for (const message of quoted) {
    for (const part of message.split("…").map((one) => one.trim()).filter((one) => one !== "")) {
      assert(code.includes(part), `no message has "${part}"`);
    }
  }
});

async function sources(folder: URL): Promise<string> {
  let text = "";
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const path = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) text += await sources(path);
    else if (name.endsWith(".ts")) text += await Deno.readTextFile(path);
  }
  return text;
}
