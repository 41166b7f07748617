import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { parseEtcdUrl, readAccess } from "../../../../lib/store/etcd/etcd_url.ts";
import { Fault } from "../../../../lib/util/errors.ts";

const urls:
  readonly (readonly [url: string, isSecure: boolean, endpoints: string, root: string])[] = [
    ["etcd://h1:2379", false, "h1:2379", "/contiv.io/k8contivnet/v1"],
    ["etcd://h1:2379/", false, "h1:2379", "/contiv.io/k8contivnet/v1"],
    ["etcds://H1:2379,10.0.0.1:02379/lab/one/", true, "h1:2379 10.0.0.1:2379", "/lab/one"],
    ["etcd://h1", false, "h1:2379", "/contiv.io/k8contivnet/v1"],
    ["etcd://h1/x", false, "h1:2379", "/x"],
    ["etcds://h1,h2:2380,[::1],10.0.0.3/x", true, "h1:2379 h2:2380 [::1]:2379 10.0.0.3:2379", "/x"],
    ["etcd://h1:2379, h2:2379,  h3/x", false, "h1:2379 h2:2379 h3:2379", "/x"],
    ["etcd://[::1]:2379/x", false, "[::1]:2379", "/x"],
  ];

for (const [url, isSecure, endpoints, root] of urls) {
  Deno.test(`parseEtcdUrl() reads ${url}`, () => {
    assertEquals(parseEtcdUrl(url), { isSecure, endpoints: endpoints.split(" "), root });
  });
}

const refused = [
  ["etcd://", "not HOST:PORT or HOST"],
  ["etcd:///x", "not HOST:PORT or HOST"],
  ["etcd://h1,/x", "not HOST:PORT or HOST"],
  ["etcd://h1:/x", "not HOST:PORT or HOST"],
  ["etcd://h1:0", "not HOST:PORT or HOST"],
  ["etcd://h 1:2379", "not HOST:PORT or HOST"],
  ["etcd://::1/x", "not HOST:PORT or HOST"],
  ["etcd://h1,H1:2379", "names a member twice"],
];

for (const [url = "", says = ""] of refused) {
  Deno.test(`parseEtcdUrl() refuses ${url}`, () => {
    assertStringIncludes(assertThrows(() => parseEtcdUrl(url), Fault).message, says);
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
