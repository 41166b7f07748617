import { assertEquals, assertRejects } from "@std/assert";
import { parseEtcdUrl, readAccess } from "../../../../lib/store/etcd/etcd_url.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const urls:
  readonly (readonly [url: string, isSecure: boolean, endpoints: string, root: string])[] = [
    ["etcd://h1:2379", false, "h1:2379", "/contiv.io/k8contivnet/v1"],
    ["etcd://h1:2379/", false, "h1:2379", "/contiv.io/k8contivnet/v1"],
    ["etcds://H1:2379,10.0.0.1:02379/lab/one/", true, "h1:2379 10.0.0.1:2379", "/lab/one"],
    ["etcd://[::1]:2379/x", false, "[::1]:2379", "/x"],
  ];

for (const [url, isSecure, endpoints, root] of urls) {
  Deno.test(`parseEtcdUrl() reads ${url}`, () => {
    assertEquals(parseEtcdUrl(url), { isSecure, endpoints: endpoints.split(" "), root });
  });
}

const cases = [
  { options: { etcdCert: "c" }, says: "--etcd-cert refused: it requires --etcd-key" },
  { options: { etcdKey: "k" }, says: "--etcd-key refused" },
  { options: { etcdUser: "u" }, says: "it requires --etcd-password-file" },
  { options: { etcdPasswordFile: "p" }, says: "it requires --etcd-user" },
  { options: { etcdCa: "ca" }, says: "the store's URL is etcd://, without TLS" },
];

for (const { options, says } of cases) {
  Deno.test(`readAccess() refuses ${JSON.stringify(options)} for etcd://`, async () => {
    const wanted = () => readAccess(parseEtcdUrl("etcd://h1:2379"), options);
    const fault = await assertRejects(wanted, Fault, says);
    assertEquals(fault.code, "usage");
  });
}
