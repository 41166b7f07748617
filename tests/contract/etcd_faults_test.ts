// What is wrong with an etcd, or with how it is reached, as one sentence with the right code.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { type OpenOptions, openStore } from "../../lib/store/open_store.ts";
import type { Store } from "../../lib/store/store.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { type Etcd, type EtcdOptions, startEtcd } from "../lab/etcd.ts";
import { makeCertificates } from "../lab/etcd_files.ts";
import { startProxy } from "../lab/proxy.ts";
import { accessTo } from "./etcd_bench.ts";
import { put } from "./store_contract.ts";
import { patient, scaled } from "../lab/limits.ts";

const LIMIT_MS = scaled(1_000);
// For what should not take any time at all.
const PATIENT_MS = scaled(20_000);
const SECRET = "open sesame";

/** Says that each call of the store at `url` faults within the limit, and how. */
async function assertFaults(
  url: string,
  options: OpenOptions,
  code: FaultCode,
  says: string,
): Promise<void> {
  const store = await openStore(url, { limitMs: LIMIT_MS, ...options });
  try {
    const calls: (() => Promise<unknown>)[] = [
      () => store.get("a"),
      () => store.list("a/"),
      () => store.commit([], [{ key: "a", value: 1 }]),
      () => store.commit([{ key: "a", revision: 0 }], [{ key: "a", value: undefined }]),
    ];
    for (const call of calls) {
      const start = performance.now();
      const fault = await assertRejects(call, Fault);
      const tookMs = performance.now() - start;
      assert(tookMs < (options.limitMs ?? LIMIT_MS) + patient(500), `${tookMs} ms`);
      assertSentence(fault, code, says);
    }
  } finally {
    await store.close();
  }
}

function assertSentence(fault: Fault, code: FaultCode, says: string): void {
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.includes(says), fault.message);
  assert(fault.fix, `no way out in "${fault.message}"`);
  assert(fault.message.length <= 200 && !fault.message.includes("\n"), fault.message);
  assert(!fault.message.includes(SECRET), fault.message);
}

async function lab(options: EtcdOptions = {}): Promise<Etcd> {
  return await startEtcd(await Deno.makeTempDir({ prefix: "k8contivnet-etcd-" }), options);
}

/** The ways to a member, and the etcd that each needs. */
const ways = [
  { way: "gateway", tls: "server", withCertificate: false },
  { way: "etcd3", tls: "mutual", withCertificate: true },
] as const;

for (const { way, tls, withCertificate } of ways) {
  Deno.test(`by ${way}, an etcd that is down is unavailable at once`, async () => {
    await using etcd = await lab({ tls });
    await etcd.kill();
    const start = performance.now();
    const says = `${etcd.endpoints[0]}: connection refused`;
    const options = { ...accessTo(etcd, { withCertificate }), limitMs: PATIENT_MS };
    await assertFaults(etcd.url(), options, "unavailable", says);
    assert(performance.now() - start < PATIENT_MS, "four calls within one limit");
  });

  Deno.test(`by ${way}, a hung etcd is a timeout at the limit`, async () => {
    await using etcd = await lab({ tls });
    etcd.freeze();
    const says = `${etcd.endpoints[0]} does not answer`;
    await assertFaults(etcd.url(), accessTo(etcd, { withCertificate }), "timeout", says);
  });

  Deno.test(`by ${way}, a certificate of another authority is named`, async () => {
    await using etcd = await lab({ tls });
    const other = await Deno.makeTempDir({ dir: etcd.dir });
    const strange = { address: "127.0.0.1", user: "root", serverUseOnly: false };
    const { ca } = await makeCertificates(other, strange);
    const options = { ...accessTo(etcd, { withCertificate }), etcdCa: ca };
    await assertFaults(
      etcd.url(),
      options,
      "unavailable",
      "signed by an unknown authority; check --etcd-ca",
    );
  });

  Deno.test(`by ${way}, a certificate for another address is named`, async () => {
    await using etcd = await lab({ tls });
    const url = etcd.url().replace("127.0.0.1", "127.0.0.2");
    using _ = forward("127.0.0.2", etcd);
    const options = accessTo(etcd, { withCertificate });
    await assertFaults(url, options, "unavailable", "its certificate is for another name");
  });

  Deno.test(`by ${way}, another cluster under the same address is refused`, async () => {
    await using first = await lab({ tls });
    using proxy = startProxy(first.endpoints[0]!);
    const url = `etcds://${proxy.endpoint}`;
    const options = { ...accessTo(first, { withCertificate }), limitMs: LIMIT_MS };
    await using stack = new AsyncDisposableStack();
    const store = await opened(url, options, stack);
    await put(store, "a", 1);
    const files = first.certificates!;
    await first.kill();
    await using second = await lab({ tls, certificates: files });
    proxy.target = second.endpoints[0]!;
    for (const call of [() => store.get("a"), () => put(store, "a", 2), () => store.list("")]) {
      const fault = await assertRejects(call, Fault);
      assertSentence(fault, "unavailable", "as before");
    }
    assertEquals([...(await second.read("/contiv.io/k8contivnet/v1/a")).keys()], []);
  });
}

Deno.test("an etcd that requires a certificate reports so to a client without one", async () => {
  await using etcd = await lab({ tls: "mutual" });
  await assertFaults(etcd.url(), accessTo(etcd), "unavailable", "--etcd-cert and --etcd-key");
});

Deno.test("a wrong password is rejected and is in no message", async () => {
  await using etcd = await lab({ password: "right" });
  await Deno.writeTextFile(etcd.passwordFile, SECRET);
  const options = accessTo(etcd, { password: SECRET });
  await assertFaults(etcd.url(), options, "unavailable", "it rejects user and password");
});

Deno.test("an etcd with users reports so to a client that does not log in", async () => {
  await using etcd = await lab({ password: "right" });
  await assertFaults(etcd.url(), {}, "unavailable", "it requires a user and a password");
});

Deno.test("a user without access to the prefix is reported", async () => {
  await using etcd = await lab({ password: "right" });
  await etcd.ctl("user", "add", "guest:right");
  const options = { ...accessTo(etcd, { password: "right" }), etcdUser: "guest" };
  await assertFaults(
    etcd.url(),
    options,
    "unavailable",
    "its user has no access to the store's keys",
  );
});

Deno.test("a user with access to the prefix only can use the store", async () => {
  await using etcd = await lab({ password: "right" });
  const root = "/contiv.io/k8contivnet/v1/";
  await etcd.ctl("user", "add", "agent:right");
  await etcd.ctl("role", "add", "agent");
  await etcd.ctl("role", "grant-permission", "agent", "readwrite", "--prefix", root);
  await etcd.ctl("user", "grant-role", "agent", "agent");
  await using stack = new AsyncDisposableStack();
  const options = { ...accessTo(etcd, { password: "right" }), etcdUser: "agent" };
  const store = await opened(etcd.url(), options, stack);
  const revision = await put(store, "a", 1);
  assertEquals((await store.list("")).entries.length, 1);
  await store.commit([{ key: "a", revision }], [{ key: "a", value: undefined }]);
  for await (const batch of store.watch("", revision, new AbortController().signal)) {
    assertEquals(batch.kind, "changes");
    break;
  }
  await store.close();
  assertEquals([...(await etcd.read(root)).keys()], [], "close() leaves no idempotency keys");
});

Deno.test("a server that is not etcd is reported as such", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response("<html>hello</html>"),
  );
  const url = `etcd://127.0.0.1:${server.addr.port}`;
  await assertFaults(url, {}, "unavailable", "the server there is not etcd");
});

Deno.test("an etcd with TLS is reported to a client without TLS", async () => {
  await using etcd = await lab({ tls: "server" });
  const url = etcd.url().replace("etcds:", "etcd:");
  await assertFaults(url, {}, "unavailable", "it closes the connection");
});

Deno.test("an etcd without TLS is reported to a client with TLS", async () => {
  await using etcd = await lab();
  const url = etcd.url().replace("etcd:", "etcds:");
  await assertFaults(url, {}, "unavailable", "write etcd:// without TLS");
});

Deno.test("a value that is not JSON is returned as text and never overwritten by a create", async () => {
  await using etcd = await lab();
  await etcd.ctl("put", "/contiv.io/k8contivnet/v1/a", "no json");
  await using stack = new AsyncDisposableStack();
  const store = await opened(etcd.url(), {}, stack);
  assertEquals((await store.list("")).entries.map(({ value }) => value), ["no json"]);
  const create = store.commit([{ key: "a", revision: 0 }], [{ key: "a", value: 1 }]);
  assertEquals(await create, { done: false, conflict: "a" });
});

async function opened(
  url: string,
  options: OpenOptions,
  stack: AsyncDisposableStack,
): Promise<Store> {
  const store = await openStore(url, options);
  stack.defer(() => store.close());
  return store;
}

// One more address of the same etcd, which its certificate does not name.
function forward(hostname: string, etcd: Etcd): Disposable {
  const [, port] = etcd.endpoints[0]!.split(":");
  return startProxy(etcd.endpoints[0]!, { hostname, port: Number(port) });
}
