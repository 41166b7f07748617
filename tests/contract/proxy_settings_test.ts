// etcd, an API server and Docker while the environment names a proxy: what is local is asked without it, and where it is
// used, messages say so. This process has the settings before its first client is created, as from an environment file.

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { accessSource } from "../../lib/kube/access.ts";
import { ApiConnection } from "../../lib/kube/api_connection.ts";
import { Docker } from "../../lib/runtimes/docker/docker.ts";
import type { OpenOptions } from "../../lib/store/open_options.ts";
import { openEtcd } from "../../lib/store/etcd/etcd_store.ts";
import { Fault } from "../../lib/util/errors.ts";
import { json, serveDocker } from "../lab/docker_stub.ts";
import { startEtcd } from "../lab/etcd.ts";
import { type Kube, startKube } from "../lab/kube.ts";

const KEY = "tenants/t";

/** A proxy that forwards nothing, and records what it is asked for. */
const asked: string[] = [];
const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
const proxy = `http://127.0.0.1:${listener.addr.port}`;
const serving = (async () => {
  for await (const connection of listener) {
    const bytes = new Uint8Array(4096);
    const count = await connection.read(bytes).catch(() => null);
    const text = new TextDecoder().decode(bytes.subarray(0, count ?? 0));
    asked.push(text.split(" ").slice(0, 2).join(" "));
    const answer =
      "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\nConnection: close\r\n\r\nno go";
    await connection.write(new TextEncoder().encode(answer)).catch(() => {});
    connection.close();
  }
})();

/** A client that is closed may have tried once more, so other tests' requests are left out. */
const askedFor = (server: string) => asked.filter((one) => one.includes(server));

let kube: Kube;

/** Opens a store that is closed at the end of its block. */
async function open(url: string, options?: OpenOptions) {
  const store = await openEtcd(url, options);
  return { list: (key: string) => store.list(key), [Symbol.asyncDispose]: () => store.close() };
}

Deno.test.beforeAll(async () => {
  kube = await startKube(await Deno.makeTempDir({ prefix: "k8contivnet-kube-" }));
  for (const name of ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "grpc_proxy"]) {
    Deno.env.set(name, proxy.replace("//", "//me:secret@"));
  }
  // With this, Deno connects to TCP port 80 instead of Docker's unix socket.
  Deno.env.set("NO_PROXY", "localhost");
  // The first client of this process is our own.
  await using _ = await open("etcd://127.0.0.1:1");
});
Deno.test.afterAll(async () => {
  await kube.stop();
  listener.close();
  await serving;
});

for (const tls of ["none", "mutual"] as const) {
  Deno.test(`proxy settings do not catch an etcd on loopback (TLS: ${tls})`, async () => {
    const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
    await using etcd = await startEtcd(dir, { tls });
    const files = etcd.certificates;
    asked.length = 0;
    await using store = await open(
      `${tls === "none" ? "etcd" : "etcds"}://${etcd.endpoints[0]}`,
      files ? { etcdCa: files.ca, etcdCert: files.clientCert, etcdKey: files.clientKey } : {},
    );
    assertEquals((await store.list("tenants/")).entries, []);
    assertEquals(asked, []);
    await assertNames(KEY);
  });
}

/** Asserts that a store elsewhere is asked by the proxy, which its Fault names without the password. */
async function assertNames(key: string): Promise<void> {
  await using store = await open("etcd://192.0.2.1:2379", { limitMs: 500 });
  const fault = await assertRejects(() => store.list(key), Fault);
  assertStringIncludes(fault.message, `192.0.2.1:2379 by proxy ${proxy}`);
  assertStringIncludes(fault.message, "; check the proxy, or add 192.0.2.1 to NO_PROXY");
  assertEquals(fault.message.includes("secret"), false);
  assertEquals(asked[0], "POST http://192.0.2.1:2379/v3/kv/range");
}

Deno.test("a proxy by which etcd is asked with a client certificate is named", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" });
  await using etcd = await startEtcd(dir, { tls: "mutual" });
  const { ca: etcdCa, clientCert: etcdCert, clientKey: etcdKey } = etcd.certificates!;
  asked.length = 0;
  await using store = await open("etcds://192.0.2.1:2379", {
    ...{ etcdCa, etcdCert, etcdKey, limitMs: 1_000 },
  });
  const fault = await assertRejects(() => store.list(KEY), Fault);
  assertStringIncludes(fault.message, `192.0.2.1:2379 by proxy ${proxy}`);
  assertEquals(asked[0], "CONNECT 192.0.2.1:2379");
});

Deno.test("proxy settings do not catch an API server on loopback; elsewhere the proxy is named", async () => {
  asked.length = 0;
  const access = await accessSource(`${kube.dir}/admin.kubeconfig`)();
  using connection = new ApiConnection(access);
  await connection.requestJson({ path: "/api/v1/namespaces" });
  assertEquals([askedFor(kube.endpoint), connection.proxy], [[], undefined]);
  using other = new ApiConnection({ ...access, server: "https://192.0.2.1:6443" });
  const fault = await assertRejects(() => other.requestJson({ path: "/version" }, 5_000), Fault);
  assertStringIncludes(fault.message, `https://192.0.2.1:6443 by proxy ${proxy} is unreachable`);
  assertStringIncludes(fault.message, "; check the proxy, or add 192.0.2.1 to NO_PROXY");
  assertEquals(askedFor("192.0.2.1:6443"), ["CONNECT 192.0.2.1:6443"]);
});

Deno.test("proxy settings do not catch Docker's unix socket, nor does NO_PROXY=localhost", async () => {
  asked.length = 0;
  await using server = await serveDocker(() => json(404, { message: "No such container" }));
  const docker = new Docker(server.path, 5_000);
  assertEquals(await docker.find("0123456789ab"), undefined);
  assertEquals(askedFor("localhost"), []);
});
