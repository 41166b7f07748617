// Many applies at once into one etcd, with no master: nothing is given twice and nothing leaks, also
// when some are killed and etcd is restarted. Checked by etcdctl and jq, which know nothing of us.

import { assert, assertEquals } from "@std/assert";
import { run } from "../lab/run.ts";
import { type Etcd, startEtcd } from "../lab/etcd.ts";
import { FILE } from "../lab/host.ts";

const PREFIX = "/crowd";
const [WRITERS, NETWORKS, ENDPOINTS] = [8, 25, 20];

/** What one writer wants: networks of a tenant that all share, half of them with a subnet of their own choice. */
function intentOf(writer: number): unknown {
  return {
    Tenants: [{
      Name: "shared",
      DefaultNetType: "vxlan",
      SubnetPool: "10.0.0.0/8",
      AllocSubnetLen: 24,
      Vxlans: "10000-12000",
      Networks: Array.from({ length: NETWORKS }, (_, n) => ({
        Name: `w${writer}n${n}`,
        // Far from the pool's beginning, where the others are chosen.
        ...n % 2 ? { SubnetCIDR: `10.${200 + writer}.${n}.0/24` } : {},
        Endpoints: Array.from(
          { length: ENDPOINTS },
          (_, e) => ({ Container: `w${writer}n${n}e${e}` }),
        ),
      })),
    }],
  };
}

async function apply(etcd: Etcd, path: string, killAfterMs?: number): Promise<number> {
  const child = new Deno.Command(FILE, {
    args: ["apply", "-f", path, "--store", etcd.url(PREFIX)],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const timer = killAfterMs === undefined
    ? undefined
    : setTimeout(() => child.kill("SIGKILL"), killAfterMs);
  const { code } = await child.status;
  clearTimeout(timer);
  return code;
}

/** Repeats an apply as an operator would, until it has gone through. */
async function insist(etcd: Etcd, path: string, firstKillMs?: number): Promise<number> {
  for (let tries = 1; tries <= 12; tries++) {
    if (await apply(etcd, path, tries === 1 ? firstKillMs : undefined) === 0) return tries;
  }
  throw new Error(`${path} was not applied in 12 tries`);
}

/** Returns what jq makes of all keys and values below the prefix. */
async function ask(etcd: Etcd, filter: string): Promise<unknown> {
  const json = await etcd.ctl("get", "--prefix", `${PREFIX}/`, "-w", "json");
  const decode = "[.kvs[] | {key: (.key | @base64d), value: (.value | @base64d)}" +
    " | select(.key | explode | index(0) | not) | .value = (.value | fromjson)]";
  return JSON.parse(
    await run("jq", ["-c", `${decode} | ${filter}`], { stdin: json, limitMs: 30_000 }),
  );
}

Deno.test("8 writers at once, kill -9 and a restart of etcd: 200 networks and 4,000 endpoints, nothing twice", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const etcd = stack.use(await startEtcd(`${dir}/etcd`, {}));
  const paths = Array.from({ length: WRITERS }, (_, n) => `${dir}/${n}.json`);
  for (const [n, path] of paths.entries()) {
    await Deno.writeTextFile(path, JSON.stringify(intentOf(n)));
  }
  const started = performance.now();
  const writers = paths.map((path, n) =>
    insist(etcd, path, n % 3 === 0 ? 600 + 300 * n : undefined)
  );
  await new Promise((done) => setTimeout(done, 1_500));
  await etcd.restart();
  const tries = await Promise.all(writers);
  console.log(`${Math.round(performance.now() - started)} ms, runs of each writer: ${tries}`);
  const count = (below: string) =>
    ask(etcd, `[.[] | select(.key | startswith("${PREFIX}/${below}/"))] | length`);
  assertEquals(await count("networks"), WRITERS * NETWORKS);
  assertEquals(await count("endpoints"), WRITERS * NETWORKS * ENDPOINTS);
  assertEquals(await count("claims/vni"), WRITERS * NETWORKS);
  assertEquals(await count("claims/subnet"), WRITERS * NETWORKS);
  assertEquals(await count("claims/ip"), WRITERS * NETWORKS * ENDPOINTS);
  const twice = (what: string) =>
    ask(etcd, `[.[] | ${what}] | group_by(.) | map(select(length > 1)) | length`);
  const of = (kind: string) => `select(.key | startswith("${PREFIX}/${kind}/")) | .value`;
  assertEquals(await twice(`${of("networks")} | .tag`), 0);
  assertEquals(await twice(`${of("networks")} | .subnet`), 0);
  assertEquals(await twice(`${of("endpoints")} | [.network, .address]`), 0);
  const claimed = await ask(
    etcd,
    `([.[] | ${of("claims")} | .owner] | unique) - [.[] | .key | ltrimstr("${PREFIX}/")]`,
  );
  assertEquals(claimed, [], "claims whose owner is not there");
  const checked = await run(FILE, ["ipam", "check", "--store", etcd.url(PREFIX), "-o", "json"], {
    limitMs: 60_000,
  });
  assertEquals(JSON.parse(checked), []);
  assert(tries.reduce((sum, one) => sum + one, 0) <= 3 * WRITERS, `runs: ${tries}`);
});
