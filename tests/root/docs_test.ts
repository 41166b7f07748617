// What `docs` says, done as it says, on hosts with pods that ping each other all the time.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { LabCniRuntime } from "../lab/cni_runtime.ts";
import { tenantOf } from "../lab/default_network.ts";
import { FILE, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";
import { pingOn } from "../lab/pings.ts";
import { waitFor } from "../lab/wait.ts";

/** Returns the commands below a heading of a text. */
function commandsBelow(text: string, heading: string): string[] {
  const [, below = ""] = text.split(`\n${heading}\n`);
  const [section = ""] = below.split(/\n(?=[A-Z][A-Z ]+\n)/);
  const commands = section.split("\n").flatMap((line) => /^ {4}(\S.*)$/.exec(line)?.[1] ?? []);
  assert(commands.length > 0, heading);
  return commands;
}

Deno.test("contiv's example is an intent that is applied, and its policy is in force", async () => {
  await using host = await startHost({});
  const { agent, dir } = host;
  const { out } = await agent.call("docs", "contiv");
  const [, intent] = [...out.matchAll(/^\{\n[^]*?^\}$/gm)].map(([text]) => text);
  await Deno.writeTextFile(`${dir}/intent.json`, intent!);
  const commands = commandsBelow(out, "EXAMPLE");
  const words = (line: string) => line.replace("intent.json", `${dir}/intent.json`).split(" ");
  const call = async (line: string) => {
    const { code, out, err } = await agent.call(...words(line).slice(1));
    assertEquals(code, 0, `${line}\n${out}\n${err}`);
    return out;
  };
  for (const line of commands.filter((one) => one.endsWith("intent.json"))) await call(line);
  const annotated = "io.kubernetes.cri.pod-annotations";
  const runtime = new LabCniRuntime({
    ...{ file: FILE, socket: agent.socket },
    plugins: [{ type: "k8contivnet", capabilities: { [annotated]: true } }],
  });
  for (const [name, group] of Object.entries({ "web-1": "web", "app-1": "app" })) {
    const runtimeConfig = { [annotated]: { "io.contiv.net-group": group } };
    await runtime.add({ pod: await host.pod(name, "shop"), runtimeConfig });
  }
  const [trace, why] = commands.slice(-2);
  assertMatch(await call(trace!), /^allowed +shop\/app-1 /);
  assertMatch(await call(trace!.replace("8000", "8001")), /^denied +shop\/app-1 /);
  assertMatch(await call(why!), /shop\/front/);
});

/** The commands of one section on the first host of a cluster. */
class Operator {
  readonly #cluster: Cluster;
  readonly #text: string;
  /** Flags of the agent at its next start. */
  flags: readonly string[] = [];

  constructor(cluster: Cluster, text: string) {
    this.#cluster = cluster;
    this.#text = text;
  }

  /** Does what a section says; `systemctl` is for the agent of the first host. */
  async follow(heading: string): Promise<void> {
    for (const line of commandsBelow(this.#text, heading)) await this.#run(line);
  }

  async #run(line: string): Promise<void> {
    const { agent } = this.#cluster.host(1);
    if (line === "systemctl stop k8contivnet") return void await agent.stop();
    if (line === "systemctl start k8contivnet") return await agent.start(...this.flags);
    const { dir, etcd } = this.#cluster;
    const own = line.replace(/^k8contivnet/, FILE)
      .replaceAll("/var/lib/k8contivnet", agent.stateDir)
      .replaceAll("/var/backups", `${dir}/backups`)
      .replaceAll("etcd://10.0.0.5:2379/prod", etcd!.url("/lab"))
      .replaceAll("10.0.0.5:2379", etcd!.endpoints[0]!);
    const { code, stdout, stderr } = await new Deno.Command("sh", {
      args: ["-c", own],
      cwd: dir,
      env: { K8CONTIVNET_SOCKET: agent.socket, ETCDCTL_API: "3" },
      signal: hangSignal(120_000),
    }).output();
    const shown = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    assertEquals(code, 0, `${own}\n${shown}`);
  }
}

const POOL = tenantOf([{
  ...{ Name: "blue", Default: true },
  Endpoints: ["db-1", "db-2"].map((Container) => ({ Container })).concat(
    { Container: "db-3", Host: "host3" } as { Container: string },
  ),
}]);

Deno.test("operations: backup, restore, a lost host and a lost etcd, as the text says, and pods that run lose nothing", async () => {
  await using cluster = await startCluster({ hosts: 3, intent: POOL, flags: ["--heartbeat", "1"] });
  const [one, three] = [cluster.host(1), cluster.host(3)];
  const { agent } = one;
  await Deno.mkdir(`${cluster.dir}/backups`, { mode: 0o700 });
  await Deno.writeTextFile(`${cluster.dir}/intent.json`, JSON.stringify(POOL));
  const pods = [await one.pod("db-1"), await one.pod("db-2"), await one.pod("web-1")];
  for (const pod of pods) await agent.setup(pod);
  await three.agent.setup(await three.pod("db-3"));
  await three.agent.stop("SIGKILL");
  await cluster.host(2).agent.stop();
  // A store of SQLite for the first line of the backup, which the agent does not use.
  await agent.call(
    "apply",
    "-f",
    `${cluster.dir}/intent.json`,
    "--store",
    `sqlite:${agent.stateDir}/store.db`,
  );
  const operator = new Operator(cluster, (await agent.call("docs", "operations")).out);
  const before = await agent.attachments();
  await using pings = pingOn(pods[0]!, await agent.addressOf(pods[2]!), 0.05);
  await waitFor("the first pings", () => pings.answered > 3);
  const stay = async (what: string) => {
    const last = pings.last;
    await waitFor(`pings after ${what}`, () => pings.last > last + 10, { limitMs: 20_000 });
    assertEquals(pings.missed(), [], what);
    await waitFor(`the records after ${what}`, async () => {
      return JSON.stringify(await agent.attachments()) === JSON.stringify(before);
    });
  };
  for (const heading of ["BACKUP", "RESTORE", "A LOST HOST"]) {
    await operator.follow(heading);
    await stay(heading);
  }
  const moved = await one.pod("db-3");
  assertEquals((await agent.verb("setup", moved)).code, 0);
  assertEquals((await agent.verb("teardown", moved)).code, 0);
  await agent.stop();
  await cluster.etcd!.forget();
  await agent.start();
  await operator.follow("A LOST ETCD");
  await stay("A LOST ETCD");
  await waitFor("pings at the end", () => pings.last > 100, { limitMs: 20_000 });
  assertEquals(pings.missed(), []);
});
