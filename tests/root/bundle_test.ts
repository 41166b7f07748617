// `bundle` of the built file: everything is in it, no secret is, also when the agent is dead.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { FILE, type Host, startHost } from "../lab/host.ts";
import { run } from "../lab/run.ts";

const SECRET = "S3cr3t-Wert";
const INTENT = {
  Tenants: [tenantWith({
    SubnetPool: "10.8.0.0/15",
    AllocSubnetLen: 16,
    Networks: [{
      Name: "blue",
      Description: `the password is ${SECRET}-1`,
      Endpoints: [{
        Container: "pod0",
        Labels: { "db-password": `${SECRET}-2`, "api_token": `${SECRET}-3`, app: "web" },
      }],
    }],
  })],
};

/** Makes a bundle and returns its files. */
async function bundleOf(
  { agent, dir }: Host,
  env: Readonly<Record<string, string>> = {},
): Promise<ReadonlyMap<string, string>> {
  const name = `${dir}/${crypto.randomUUID()}`;
  const { code, err } = await agent.callWith(env, "bundle", `${name}.tar`);
  assertEquals(code, 0, err);
  assertEquals((await Deno.stat(`${name}.tar`)).mode! & 0o777, 0o600);
  await Deno.mkdir(name);
  await run("tar", ["-xf", `${name}.tar`, "-C", name]);
  const [folder] = await Array.fromAsync(Deno.readDir(name));
  assertEquals(folder?.name, "k8contivnet-host1");
  const files = new Map<string, string>();
  for await (const file of Deno.readDir(`${name}/${folder!.name}`)) {
    files.set(file.name, await Deno.readTextFile(`${name}/${folder!.name}/${file.name}`));
  }
  return files;
}

/** Throws if the secret is in any file, in any form. */
function assertNoSecret(files: ReadonlyMap<string, string>): void {
  const forms = [SECRET, SECRET.replace("-", "%2D"), btoa(SECRET).slice(0, 10), "BEGIN PRIVATE"];
  for (const [name, text] of files) {
    for (const form of forms) {
      const at = text.indexOf(form);
      assert(at < 0, `${name}: …${text.slice(Math.max(0, at - 80), at + 60)}…`);
    }
  }
}

async function seeded(): Promise<{ host: Host; env: Record<string, string> }> {
  const host = await startHost({});
  const { agent, dir } = host;
  await agent.stop();
  const kubeconfig = `${dir}/kubeconfig`;
  await Deno.writeTextFile(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: "v1", kind: "Config", "current-context": "c" },
      clusters: [{ name: "c", cluster: { server: "https://127.0.0.1:1" } }],
      contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      users: [{ name: "u", user: { token: `${SECRET}-4` } }],
    }),
  );
  await Deno.writeTextFile(`${dir}/password`, `${SECRET}-5\n`);
  Object.assign(agent.agentEnv, {
    K8CONTIVNET_SECRET: `${SECRET}-6`,
    DATABASE_URL: `postgres://u:${SECRET}-7@db/x`,
    KUBECONFIG: kubeconfig,
  });
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(INTENT));
  await agent.start("--intent", `${dir}/intent.json`);
  // Secrets that came into the log, the switch and the links from elsewhere.
  await Deno.writeTextFile(
    agent.logFile,
    `Authorization: Bearer ${SECRET}-8\n-----BEGIN PRIVATE KEY-----\n${SECRET}\n` +
      `-----END PRIVATE KEY-----\ntoken=${SECRET}-4 and ${SECRET}-6 and ${btoa(`${SECRET}-4`)}\n`,
    { append: true },
  );
  await host.ovs.vsctl("set", "bridge", "contivBridge", `external_ids:psk=${SECRET}-9`);
  await host.ovs.vsctl("set", "bridge", "contivBridge", `external_ids:note=${SECRET}-4`);
  return { host, env: { MY_PASSWORD: `${SECRET}-10`, KUBECONFIG: kubeconfig } };
}

Deno.test("a bundle has what a maintainer asks for, and no secret", async () => {
  const { host, env } = await seeded();
  await using _host = host;
  await host.agent.setup(await host.pod("pod0"));
  const files = await bundleOf(host, env);
  const has = (name: string, words: RegExp) => assertMatch(files.get(name) ?? "", words, name);
  has("version.json", /"version": "\d+\.\d+\.\d+"[^]*ovs-vsctl/);
  has("settings.json", /"flags": \[[^]*--host-label/);
  has("settings.json", /K8CONTIVNET_SECRET/);
  assert(!files.get("settings.json")?.includes("DATABASE_URL"));
  has("status.json", /"ovsdb": "up"/);
  has("log-file.txt", /agent ready/);
  has("events.json", /default\/pod0/);
  has("attachments.json", /"state": "ready"/);
  has("records.json", /"networks\/t\/blue"[^]*"app": "web"/);
  has("switch-rows.txt", /Bridge\n[^]*contivBridge/);
  has("switch-flows.txt", /cookie=0x6b38/);
  has("switch-ports.txt", /port +LOCAL/);
  has("switch-datapath.txt", /netdev/);
  has("links.txt", /contivBridge/);
  has("addresses.txt", /inet /);
  has("doctor.json", /"checks": \[/);
  assertNoSecret(files);
});

Deno.test("a bundle is made without an agent, a switch and a store, too", async () => {
  const { host, env } = await seeded();
  await using _host = host;
  await host.agent.stop("SIGKILL");
  const dead = await bundleOf(host, env);
  assertMatch(dead.get("records.json") ?? "", /"networks\/t\/blue"/);
  assertMatch(dead.get("switch-flows.txt") ?? "", /cookie=/);
  assertMatch(dead.get("status.json") ?? "", /not collected: agent at .* is unreachable/);
  assertMatch(dead.get("doctor.json") ?? "", /unreachable/);
  assertNoSecret(dead);
  await host.ovs.killVswitchd();
  await host.ovs.killOvsdb();
  await Deno.writeTextFile(`${host.agent.stateDir}/store.db`, "no database".repeat(500));
  const bare = await bundleOf(host, env);
  assertMatch(bare.get("records.json") ?? "", /not collected: /);
  assertMatch(bare.get("switch-rows.txt") ?? "", /not collected: /);
  assertMatch(bare.get("links.txt") ?? "", /lo: /);
});

Deno.test("bundle writes no file twice, and writes to standard output", async () => {
  await using host = await startHost({});
  const { agent, dir } = host;
  const first = await agent.call("bundle", `${dir}/x.tar`, "-o", "json");
  assertEquals(first.code, 0, first.err);
  const { file, parts } = JSON.parse(first.out);
  assertEquals([file, parts.length > 15], [`${dir}/x.tar`, true]);
  const again = await agent.call("bundle", `${dir}/x.tar`);
  assertEquals(again.code, 4);
  assertMatch(again.err, /x\.tar is there already: it is not overwritten; give another name/);
  assertMatch((await agent.call("bundle", "/none/x.tar")).err, /cannot be written/);
  const { code, stdout } = await new Deno.Command("sh", {
    args: ["-c", '"$0" bundle - | tar -tf -', FILE],
    env: { K8CONTIVNET_SOCKET: agent.socket },
  }).output();
  assertEquals(code, 0);
  assertMatch(new TextDecoder().decode(stdout), /^k8contivnet-host1\/version\.json\n/);
});
