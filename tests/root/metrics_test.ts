// `--listen` of the built file: what Prometheus reads of a real agent, by Debian's promtool and by a real Prometheus, and
// clients that are broken or mean.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { tenantWith } from "../fixtures/tenant.ts";
import { freePorts } from "../lab/etcd.ts";
import { freezeProcess } from "../lab/freeze.ts";
import { FILE, type Host, intentOf, startHost } from "../lab/host.ts";
import { hangSignal } from "../lab/limits.ts";
import { run } from "../lab/run.ts";
import { startServer } from "../lab/server.ts";
import { Talker } from "../lab/talk.ts";
import { waitFor } from "../lab/wait.ts";

const LOOPBACK = "127.0.0.1";

interface Scraped extends AsyncDisposable {
  readonly host: Host;
  readonly port: number;
  readonly url: string;
}

async function startScraped(intent: unknown, ...flags: string[]): Promise<Scraped> {
  const [port = 0] = freePorts(1, LOOPBACK);
  const host = await startHost(intent, "--listen", `${LOOPBACK}:${port}`, ...flags);
  const url = `http://${LOOPBACK}:${port}`;
  return { host, port, url, [Symbol.asyncDispose]: () => host[Symbol.asyncDispose]() };
}

async function get(url: string, init: RequestInit = {}): Promise<{ status: number; text: string }> {
  const response = await fetch(url, { signal: hangSignal(20_000), ...init });
  return { status: response.status, text: await response.text() };
}

/** Returns the value of a line; undefined if there is none. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Throws unless promtool has no complaint, not even about a name. */
async function assertPromtool(text: string): Promise<void> {
  const child = new Deno.Command("promtool", {
    args: ["check", "metrics"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  const words = [stdout, stderr].map((one) => new TextDecoder().decode(one)).join("");
  assertEquals([code, words], [0, ""]);
}

Deno.test("promtool has no complaint about the metrics of an agent with pods, policies and drops", async () => {
  const deny = [{ Id: "1", Direction: "in", Protocol: "tcp", Action: "deny" }];
  const intent = {
    Tenants: [tenantWith({
      SubnetPool: "10.9.0.0/16",
      AllocSubnetLen: 16,
      Groups: [{ Name: "web", Network: "blue", Policies: ["p1"] }],
      Policies: [{ Name: "p1", Rules: deny }],
      Networks: [{
        Name: "blue",
        Endpoints: [{ Container: "web", Group: "web" }, { Container: "other" }],
      }],
    })],
  };
  await using scraped = await startScraped(intent);
  const { host, url } = scraped;
  const [web, other] = [await host.pod("web"), await host.pod("other")];
  await host.agent.setup(web);
  await host.agent.setup(other);
  const gone = await host.pod("nobody");
  await host.agent.setup(gone);
  await using talker = await Talker.start(other, {});
  assert(!await talker.asks("tcp", await host.agent.addressOf(web), 8080));
  const { status, text } = await get(`${url}/metrics`);
  assertEquals(status, 200);
  await assertPromtool(text);
  assertEquals(valueOf(text, 'k8contivnet_attach_duration_seconds_count{result="ready"}'), 2);
  assertEquals(valueOf(text, 'k8contivnet_attach_duration_seconds_count{result="unmatched"}'), 1);
  assertEquals(
    valueOf(text, 'k8contivnet_attachments{tenant="t",network="blue",state="ready"}'),
    2,
  );
  assertEquals(
    valueOf(text, 'k8contivnet_ipam_allocations_in_use{tenant="t",network="blue"}'),
    2,
  );
  assertEquals(valueOf(text, 'k8contivnet_ovs_connected{connection="ovsdb"}'), 1);
  assertEquals(valueOf(text, "k8contivnet_store_up"), 1);
  for (const phase of ["sandbox", "claim", "policies", "port", "record"]) {
    const series = "k8contivnet_attach_phase_duration_seconds_count";
    assert(valueOf(text, `${series}{phase="${phase}",result="ok"}`), `${phase} in ${text}`);
  }
  const dropped = 'k8contivnet_policy_dropped_packets_total{source="contiv",policy="t/p1"}';
  await waitFor("the drop to be counted", async () => {
    return (valueOf((await get(`${url}/metrics`)).text, dropped) ?? 0) > 0;
  }, { limitMs: 20_000 });
  await host.agent.verb("teardown", web);
  // Scrapes that come together have one text.
  await waitFor("the teardown to be counted", async () => {
    const after = (await get(`${url}/metrics`)).text;
    assert(!after.includes("nobody"), "no pod's name");
    return valueOf(after, 'k8contivnet_detach_duration_seconds_count{result="ok"}') === 1;
  });
});

Deno.test("a real Prometheus scrapes an agent with a token, and sees its restart", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(`${dir}/token`, "s3cret\n");
  const { host, port, url } = stack.use(
    await startScraped(intentOf(1), "--listen-token-file", `${dir}/token`),
  );
  assertEquals((await get(`${url}/metrics`)).status, 401);
  const [own = 0] = freePorts(1, LOOPBACK);
  const config = {
    global: { "scrape_interval": "500ms", "scrape_timeout": "500ms" },
    "rule_files": [`${dir}/rules.yml`],
    "scrape_configs": [{
      "job_name": "k8contivnet",
      authorization: { "credentials_file": `${dir}/token` },
      "static_configs": [{ targets: [`${LOOPBACK}:${port}`] }],
    }],
  };
  await Deno.writeTextFile(`${dir}/prometheus.yml`, JSON.stringify(config)); // JSON is YAML
  await Deno.writeTextFile(`${dir}/rules.yml`, await run(FILE, ["metrics", "rules"]));
  const server = await startServer({
    command: "prometheus",
    args: [
      ...[`--config.file=${dir}/prometheus.yml`, `--storage.tsdb.path=${dir}/data`],
      `--web.listen-address=${LOOPBACK}:${own}`,
    ],
    log: `${dir}/prometheus.log`,
    isUp: () =>
      get(`http://${LOOPBACK}:${own}/-/ready`).then((one) => one.status === 200, () => false),
    limitMs: 30_000,
  });
  stack.defer(() => server.stop());
  const query = async (expression: string) => {
    const words = encodeURIComponent(expression);
    const { text } = await get(`http://${LOOPBACK}:${own}/api/v1/query?query=${words}`);
    const { data: { result } } = JSON.parse(text);
    return result.map((one: { value: [number, string] }) => one.value[1]);
  };
  await waitFor("the first scrape", async () => (await query("up == 1")).length === 1, {
    limitMs: 20_000,
  });
  await host.agent.setup(await host.pod("pod0"));
  await waitFor(
    "the pod in Prometheus",
    async () => (await query('sum(k8contivnet_attachments{state="ready"})'))[0] === "1",
    { limitMs: 20_000 },
  );
  assertEquals(
    (await query("count(k8contivnet_attach_duration_seconds_bucket)")).length,
    1,
  );
  const rules = JSON.parse((await get(`http://${LOOPBACK}:${own}/api/v1/rules`)).text);
  const all = rules.data.groups.flatMap((one: { rules: { health: string }[] }) => one.rules);
  assert(all.length > 5, "the alert rules are loaded");
  await host.agent.stop();
  await waitFor("Prometheus to miss it", async () => (await query("up == 0")).length === 1, {
    limitMs: 20_000,
  });
  await host.agent.start();
  await waitFor(
    "Prometheus to see it again",
    async () =>
      (await query("up == 1 and on(instance) changes(process_start_time_seconds[10m]) > 0"))
        .length === 1,
    { limitMs: 30_000 },
  );
});

Deno.test("clients that are broken, mean or many do no harm to scrapes or pods", async () => {
  await using scraped = await startScraped(intentOf(2));
  const { host, port, url } = scraped;
  const open: Deno.Conn[] = [];
  const connect = async (text: string) => {
    const conn = await Deno.connect({ hostname: LOOPBACK, port });
    open.push(conn);
    await conn.write(new TextEncoder().encode(text)).catch(() => 0);
    return conn;
  };
  // They ask again and again, and never read; others never finish their request.
  for (let n = 0; n < 20; n++) await connect("GET /metrics HTTP/1.1\r\n\r\n".repeat(200));
  for (let n = 0; n < 20; n++) await connect("GET /metrics HT");
  const huge = await get(`${url}/metrics`, { headers: { "X-Huge": "x".repeat(100_000) } });
  assertEquals(huge.status, 431);
  const posted = await get(`${url}/metrics`, { method: "POST", body: "x".repeat(1_000_000) });
  assertEquals(posted.status, 405);
  const unknown = await get(`${url}/v1/setup`);
  assertMatch(
    `${unknown.status} ${unknown.text}`,
    /^404 there is nothing at this path: see \/metrics/,
  );
  assertEquals(await get(`${url}/healthz`), { status: 200, text: "ok\n" });
  // The agent answers before it is connected to the bridge.
  await waitFor("readiness", async () => (await get(`${url}/readyz`)).text === "ready\n");
  const many = await Promise.all(Array.from({ length: 100 }, () => get(`${url}/metrics`)));
  assertEquals(new Set(many.map(({ status }) => status)), new Set([200]));
  await host.agent.setup(await host.pod("pod0"));
  for (let n = 0; n < 100; n++) await connect("GET / HTTP/1.1\r\nX: ").catch(() => {});
  await host.agent.setup(await host.pod("pod1"));
  assertEquals((await host.agent.attachments()).length, 2);
  assertEquals((await get(`${url}/healthz`, { signal: hangSignal(30_000) })).status, 200);
  for (const conn of open) conn.close();
});

Deno.test("readiness follows Open vSwitch, and reconnects are counted", async () => {
  await using scraped = await startScraped(intentOf(1));
  const { host, url } = scraped;
  await host.ovs.stop();
  await waitFor("503", async () => (await get(`${url}/readyz`)).status === 503);
  assertMatch((await get(`${url}/readyz`)).text, /^not ready\n\[-\] Open vSwitch: /);
  assertEquals((await get(`${url}/healthz`)).status, 200);
  await host.ovs.startOvsdb();
  await host.ovs.startVswitchd();
  await waitFor("200", async () => (await get(`${url}/readyz`)).status === 200, {
    limitMs: 20_000,
  });
  await waitFor("a reconnect", async () => {
    const { text } = await get(`${url}/metrics`);
    return (valueOf(text, 'k8contivnet_ovs_reconnects_total{connection="ovsdb"}') ?? 0) >= 1;
  });
});

Deno.test("an agent that stops is alive and not ready, while it ends what it has begun", async () => {
  await using scraped = await startScraped(intentOf(1));
  const { host, url } = scraped;
  const { agent, ovs } = host;
  const pod = await host.pod("pod0");
  await waitFor("readiness", async () => (await get(`${url}/readyz`)).status === 200);
  freezeProcess(ovs.vswitchdPid!); // a set-up waits for it
  const setup = agent.setupOnce(pod).catch((error) => error);
  // Its record is ready as soon as its links are there, while Open vSwitch adds the port.
  await waitFor("the set-up to begin", async () => (await agent.attachments()).length > 0);
  Deno.kill(agent.pid, "SIGTERM");
  await waitFor("503", async () => (await get(`${url}/readyz`)).status === 503, { everyMs: 50 });
  assertEquals((await get(`${url}/readyz`)).text, "[-] agent is stopping\n");
  assertEquals((await get(`${url}/healthz`)).text, "ok\n");
  Deno.kill(ovs.vswitchdPid!, "SIGCONT");
  assertEquals(await setup, undefined, "the set-up that had begun is completed");
  assertEquals(await agent.stopped(), 0);
});

Deno.test("addresses that cannot be used are reported, and the agent serves pods all the same", async () => {
  const [port = 0] = freePorts(1, LOOPBACK);
  const taken = Deno.listen({ hostname: LOOPBACK, port });
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  const socket = `${dir}/metrics.sock`;
  await Deno.writeTextFile(`${dir}/token`, "x");
  const places = [`${LOOPBACK}:${port}`, "192.0.2.1:9430", `unix:${socket}`];
  const flags = places.flatMap((one) => ["--listen", one]);
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const host = stack.use(
    await startHost(intentOf(1), ...flags, "--listen-token-file", `${dir}/token`),
  );
  await host.agent.setup(await host.pod("pod0"));
  const log = await host.agent.logText();
  assertMatch(
    log,
    new RegExp(`metrics not served at http://${LOOPBACK}:${port}: Address already in use`),
  );
  assertMatch(log, /metrics not served at http:\/\/192.0.2.1:9430: .*assign/);
  const [stat, client] = [
    await Deno.stat(socket),
    Deno.createHttpClient({
      proxy: { transport: "unix", path: socket },
    }),
  ];
  assertEquals((stat.mode ?? 0) & 0o777, 0o600);
  assertEquals((await get("http://localhost/healthz", { client } as RequestInit)).status, 200);
  client.close();
  taken.close();
  await waitFor(
    "the port, once it is free",
    async () =>
      await get(`http://${LOOPBACK}:${port}/healthz`).then(
        ({ status }) => status === 200,
        () => false,
      ),
    {
      limitMs: 20_000,
    },
  );
  for (
    const [words, why] of [[["--listen", "0.0.0.0:9430"], "add --listen-token-file"], [
      ["--listen", "nonsense"],
      "is not an address",
    ]] as const
  ) {
    const { code, err } = await host.agent.call("netplugin", ...words);
    assertEquals(code, 2);
    assert(err.includes(why), err);
  }
});
