// The examples in the help of each command, run as they stand there, by a shell, on a host with pods.

import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../lib/cli/command_table.ts";
import type { IntentRequest } from "../../lib/agent/api/intent_requests.ts";
import { askAgent } from "../../lib/agent/client.ts";
import { tenantWith } from "../fixtures/tenant.ts";
import { type Cluster, startCluster } from "../lab/cluster.ts";
import { MANAGEMENT_ADDRESS } from "../lab/cluster/fabric.ts";
import { FILE } from "../lab/host.ts";
import { startKube } from "../lab/kube.ts";
import { hangSignal } from "../lab/limits.ts";
import { pingOn } from "../lab/pings.ts";
import { waitFor } from "../lab/wait.ts";

/** What an example does. */
interface Expected {
  /** What it prints to standard output, or to standard error. */
  readonly out?: RegExp;
  readonly err?: RegExp;
  /** A line of shell that succeeds after it. */
  readonly then?: string;
  /** It goes on until it is ended. */
  readonly isEndless?: true;
  /** Exit codes besides 0. */
  readonly codes?: readonly number[];
}

/** By command; the order is that of the table. */
const EXPECTED: Readonly<Record<string, Expected>> = {
  apply: { err: /^changed: 1 object, revision \d+$/m },
  plan: { out: /^ {2}- network tenant-one\/spare$/m },
  edit: { err: /^changed: 1 object, revision \d+$/m },
  delete: {
    err: /^changed: 1 object, revision \d+$/m,
    then: "! k8contivnet get networks -o name | grep -q spare",
  },
  bind: { out: /endpoint tenant-one\/orange\/myPod1/ },
  history: { out: /^revision \d+, .*, by .* on .*, from bind$/m },
  rollback: { err: /^changed: \d objects, revision \d+$/m },
  get: { out: /^POD +IP *\nweb-1 +10\.9\.0\.1\/24\n/ },
  events: { out: /attach/, isEndless: true },
  why: { out: /tenant-one\/orange/ },
  trace: { out: /^allowed +default\/app / },
  exec: { out: /^10\.9\.0\.0\/24 dev eth0 / },
  ping: { out: /^shop\/web-1 .*: 3 of 3 answered/ },
  capture: { then: "test $(wc -c < web-1.pcap) -gt 200" },
  ipam: { out: /tenant-one\/orange/ },
  gc: { out: /^would unbind tenant-one\/orange\/far /m },
  intent: { err: /^/ },
  explain: { out: /VLAN id or VNI/ },
  status: { out: /"host": "host1"/ },
  // What it says of this machine is not the matter here.
  doctor: { out: /Open vSwitch/, codes: [1] },
  bundle: { out: /^report\.tar$/m, then: "tar -tf report.tar | grep -q version.json" },
  store: { out: /^copied: (\d+) of \1 documents$/m },
  kube: { out: /^serviceaccount\/k8contivnet created$/m },
  metrics: { then: "grep -q '^groups:' prometheus/k8contivnet.yml" },
  pods: { out: /^shop +web-1 /m },
  completion: { then: "complete -p k8contivnet" },
  docs: { then: "grep -q '^[.]TH K8CONTIVNET 8' man8/k8contivnet.8" },
};

const NAMES = ["app", "web", "web-0", "myPod1", "far"];

function intentOf(networks: readonly object[] = [], more: readonly string[] = [], about = "") {
  const inShop = ["web-1", "db-0"].map((Container) => ({ Container, Namespace: "shop" }));
  const others = [...NAMES, ...more].map((Container) => ({ Container, Namespace: "default" }));
  const orange = { Name: "orange", Description: about, Endpoints: [...inShop, ...others] };
  return {
    Tenants: [tenantWith({
      ...{ Name: "tenant-one", Namespaces: ["default", "shop"], Networks: [orange, ...networks] },
    })],
  };
}

/** Returns the example of a help text. */
function exampleIn(help: string): string | undefined {
  return /^ {2}e\.g\. (.*)$/m.exec(help)?.[1] ?? /^example: (.*)$/m.exec(help)?.[1];
}

/** Makes the folder in which the examples are run. */
async function makeFolder(cluster: Cluster, kubectl: string): Promise<string> {
  const dir = `${cluster.dir}/examples`;
  for (const name of ["bin", "prometheus", "man8", "store"]) {
    await Deno.mkdir(`${dir}/${name}`, { recursive: true });
  }
  for (const name of ["k8contivnet", "netdcli", "kubectl-contiv"]) {
    await Deno.symlink(FILE, `${dir}/bin/${name}`);
  }
  await Deno.symlink(kubectl, `${dir}/bin/kubectl`);
  const nano = `#!/bin/sh\nsed -i 's/^\\( *\\)- Container: app$/\\1- Container: new\\n&/' "$1"\n`;
  await Deno.writeTextFile(`${dir}/bin/nano`, nano, { mode: 0o755 });
  const files = {
    "intent.json": intentOf([], ["extra"], "revision 12"),
    "agent.json": {},
    "old.json": { Tenants: [{ Name: "tenant-one", Networks: [{ Name: "spare" }] }] },
  };
  for (const [name, content] of Object.entries(files)) {
    await Deno.writeTextFile(`${dir}/${name}`, JSON.stringify(content));
  }
  return dir;
}

/** Starts three hosts, of which the third is lost, with a dozen revisions and pods on the first. */
async function startLab(stack: AsyncDisposableStack): Promise<Cluster> {
  const cluster = stack.use(await startCluster({ hosts: 3, flags: ["--heartbeat", "1"] }));
  const [one, three] = [cluster.host(1), cluster.host(3)];
  for (let n = 1; n <= 12; n++) {
    const text = JSON.stringify(intentOf([{ Name: "spare" }], [], `revision ${n}`));
    const body: IntentRequest = { mode: "add", text };
    await askAgent({ socket: one.agent.socket, path: "/v1/apply", body, limitMs: 60_000 });
  }
  await three.agent.setup(await three.pod("far"));
  await three.agent.stop("SIGKILL");
  const [web, db] = [await one.pod("web-1", "shop"), await one.pod("db-0", "shop")];
  for (const pod of [web, db]) await one.agent.setup(pod);
  for (const name of ["app", "web", "web-0"]) await one.agent.setup(await one.pod(name));
  stack.use(pingOn(db, await one.agent.addressOf(web), 0.1));
  return cluster;
}

Deno.test("the example in the help of each command does what it says", async () => {
  assertEquals(Object.keys(EXPECTED).sort(), Object.keys(COMMANDS).sort());
  await using stack = new AsyncDisposableStack();
  const cluster = await startLab(stack);
  const kube = stack.use(
    await startKube(`${cluster.dir}/kube`, {
      address: MANAGEMENT_ADDRESS,
      flags: ["--allow-privileged"],
    }),
  );
  await kube.ask("POST", "/api/v1/namespaces", { metadata: { name: "shop" } });
  await kube.pod("shop", "web-1", "node-a");
  const dir = await makeFolder(cluster, `${kube.bin}/kubectl`);
  const { agent, netns } = cluster.host(1);
  const places: Readonly<Record<string, string>> = {
    "/etc/prometheus": "prometheus",
    "/usr/local/share/man/": "",
    "/var/lib/k8contivnet": `${dir}/store`,
    "etcd://127.0.0.1:2379": cluster.etcd!.url(),
  };
  await agent.call("apply", "-f", `${dir}/intent.json`, "--store", `sqlite:${dir}/store/store.db`);
  const start = (line: string) =>
    new Deno.Command(
      "nsenter",
      {
        args: [`--net=/run/netns/${netns}`, "--", "bash", "-c", line],
        cwd: dir,
        env: {
          PATH: `${dir}/bin:${Deno.env.get("PATH")}`,
          K8CONTIVNET_SOCKET: agent.socket,
          KUBECONFIG: `${kube.dir}/admin.kubeconfig`,
          VISUAL: "",
        },
        ...{ stdin: "null", stdout: "piped", stderr: "piped", signal: hangSignal(120_000) },
      } as const,
    );
  const problems: string[] = [];
  for (const [name, expected] of Object.entries(EXPECTED)) {
    const example = exampleIn((await agent.call(name, "-h")).out);
    assert(example !== undefined, `${name} has no example`);
    const line = Object.entries(places).reduce(
      (text, [place, own]) => text.replace(place, own),
      example,
    );
    if (expected.isEndless) {
      problems.push(...await endsWhenSeen(start(line), expected.out!, line));
      continue;
    }
    const then = expected.then === undefined ? "" : `\n{ ${expected.then}; } >&2 || exit 99`;
    const { code, stdout, stderr } = await start(`{ ${line}\n} <<< y || exit${then}`).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    const shown = `${line}\n${out}\n${err}`;
    const isDone = [0, ...expected.codes ?? []].includes(code) &&
      (expected.out ?? /^/).test(out!) && (expected.err ?? /^/).test(err!);
    if (!isDone) problems.push(`${shown} ended with ${code}`);
  }
  assertEquals(problems.join("\n---\n"), "");
  const last = exampleIn(
    await start("netdcli -help").output().then(({ stdout }) => new TextDecoder().decode(stdout)),
  );
  assert(last !== undefined);
  const { code, stderr } = await start(last).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
});

/** Runs what goes on by itself until it has printed that; returns what is wrong. */
async function endsWhenSeen(
  command: Deno.Command,
  wanted: RegExp,
  line: string,
): Promise<string[]> {
  const child = command.spawn();
  let seen = "";
  const reading = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) seen += text;
  })();
  const complaints = new Response(child.stderr).text();
  const isSeen = await waitFor(line, () => wanted.test(seen)).catch(() => false);
  child.kill("SIGTERM");
  await Promise.all([child.status, reading]);
  const errors = await complaints;
  return isSeen ? [] : [`${line}\n${seen}\n${errors}`];
}
