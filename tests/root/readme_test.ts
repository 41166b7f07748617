// The README's commands, run as they stand there, in a fresh folder, by a shell; and the messages that it
// quotes, looked for in the code.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { startDockerHost } from "../lab/docker_host.ts";
import { startEtcd } from "../lab/etcd.ts";
import { FILE, type Host, startHost } from "../lab/host.ts";
import { waitFor } from "../lab/wait.ts";

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

/** Makes a fresh folder for a host's commands, and returns what runs a line there, with `env`. */
async function freshFolder(host: Host, env: Readonly<Record<string, string>> = {}) {
  const dir = `${host.dir}/fresh`;
  await Deno.mkdir(`${dir}/bin`, { recursive: true });
  for (const name of ["k8contivnet", "netdcli"]) await Deno.symlink(FILE, `${dir}/bin/${name}`);
  const sh = async (line: string) => {
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", line],
      cwd: dir,
      env: {
        ...env,
        PATH: `${dir}/bin:${Deno.env.get("PATH")}`,
        K8CONTIVNET_SOCKET: host.agent.socket,
      },
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

Deno.test("the README's containers are attached, keep their address, and are released", async () => {
  const [run, restart, remove] = blocks("").find((block) => block.startsWith("docker run"))
    ?.split("\n") ?? [];
  assert(run && restart && remove, "README has no such block");
  const networks = [{ Name: "n1", Endpoints: [{ Container: "web-0" }] }];
  await using at = await startDockerHost({ Tenants: [tenantWith({ Networks: networks })] });
  await at.dockerd.docker("tag", "k8contivnet-lab", "nginx");
  const { sh } = await freshFolder(at.host, {
    DOCKER_HOST: at.dockerd.address.replace(":", "://"),
  });
  const hasAddress = async () => {
    const links = at.dockerd.docker("exec", "web-0", "/bin/busybox", "ip", "address");
    return (await links.catch(() => "")).includes("inet 10.9.0.1/24");
  };
  for (const line of [run, restart]) {
    const { code, err } = await sh(line);
    assertEquals(code, 0, err);
    await waitFor("web-0 to have its address", hasAddress);
  }
  assertEquals((await sh(remove)).code, 0);
  await waitFor("web-0 to be released", async () => {
    return (await at.host.agent.attachments()).length === 0;
  });
});

Deno.test("the README's hosts share an etcd", async () => {
  const block = blocks("").find((block) => block.includes("--store etcd://"));
  const [netplugin, apply] = commandsOf(block ?? "");
  const path = /--store etcd:\/\/[^/]+(\/\S+)/.exec(netplugin ?? "")?.[1];
  assert(path && apply, "README has no such block");
  await using stack = new AsyncDisposableStack();
  const etcd = stack.use(await startEtcd(await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" })));
  const url = etcd.url(path);
  const host = stack.use(await startHost({}, "--store", url));
  const { dir, sh } = await freshFolder(host);
  assertEquals((await sh("k8contivnet intent example > intent.json")).code, 0);
  for (const line of [apply, `${apply.replace(/ #.*/, "")} --store ${url}`]) {
    const { code, err } = await sh(line);
    assertEquals(code, 0, `${line} in ${dir}\n${err}`);
  }
  assertMatch((await sh("k8contivnet get endpoints -o name")).out, /db-0/);
});

Deno.test("the messages in the README's table are those of the code", async () => {
  const table = README.split("## Troubleshooting")[1]?.split("\n## ")[0] ?? "";
  const quoted = [...table.matchAll(/^\| `([^`]+)`/gm)].map(([, message]) => message ?? "");
  assert(quoted.length >= 6, table);
  const heads = [".ci/launcher.c", ".ci/unpack.sh"].map((path) =>
    Deno.readTextFile(new URL(path, ROOT))
  );
  const code = [await sources(new URL("lib/", ROOT)), ...await Promise.all(heads)].join("\n");
  for (const message of quoted) {
    const parts = message.split("…").map((part) => part.trim()).filter((part) => part !== "");
    const line = new RegExp(parts.map((part) => RegExp.escape(part)).join(".*"));
    assert(line.test(code), `no message is like "${message}"`);
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
