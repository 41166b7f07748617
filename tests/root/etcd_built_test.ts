// The built file on a store in etcd, by both ways to it, with just the permissions it is given.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { openStore } from "../../lib/store/open_store.ts";
import { run } from "../lab/run.ts";
import { accessTo } from "../contract/etcd_bench.ts";
import { startEtcd } from "../lab/etcd.ts";
import { DIST } from "../lab/one_file.ts";

const HOUSE = fromFileUrl(new URL("../..", import.meta.url));

async function tempDir(): Promise<string> {
  return await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
}

Deno.test("the built file applies an intent to a store in etcd and lists it", async () => {
  await using etcd = await startEtcd(await tempDir());
  const intent = `${HOUSE}tests/fixtures/intents/two_hosts_multiple_tenants.json`;
  const url = etcd.url("/lab/one");
  await run(DIST, ["apply", "-f", intent, "--store", url], { limitMs: 60_000 });
  const names = await run(DIST, ["get", "tenants", "--store", url, "-o", "name"], {
    limitMs: 60_000,
  });
  const held = [...(await etcd.read("/lab/one/tenants/")).keys()];
  assertEquals(names.split("\n").map((name) => `/lab/one/tenants/${name.split("/").at(-1)}`), held);
  const all = [...(await etcd.read("/lab/one/")).keys()];
  assertEquals(all.filter((key) => key.includes("\0")), [], "no mark is left");
});

Deno.test("the bundle opens a store by a client's certificate, through etcd3", async () => {
  const dir = await tempDir();
  await using etcd = await startEtcd(dir, { tls: "mutual", serverUseOnly: true });
  const options = accessTo(etcd, { withCertificate: true });
  const store = await openStore(etcd.url(), options);
  await store.commit([], [{ key: "a", value: "seen" }]);
  await store.close();
  const app = `${dir}/app`;
  await run(Deno.execPath(), ["run", "-A", `${HOUSE}.ci/bundle.ts`, app], { limitMs: 60_000 });
  await Deno.writeTextFile(
    `${app}/check.js`,
    `import { openEtcd } from "./etcd_store.js";
const store = await openEtcd(Deno.args[0], JSON.parse(Deno.args[1]));
console.log(JSON.stringify(await store.get("a")));
await store.close();
`,
  );
  const permissions = (await Deno.readTextFile(`${HOUSE}.ci/permissions`)).split("\n")
    .filter((line) => line.startsWith("--"));
  const flags = "--cached-only --no-check --no-config --no-lock --no-npm --no-remote --no-prompt";
  const words = ["run", ...flags.split(" "), ...permissions, `${app}/check.js`];
  const said = await run(Deno.execPath(), [...words, etcd.url(), JSON.stringify(options)]);
  assertStringIncludes(said, '"value":"seen"');
});
