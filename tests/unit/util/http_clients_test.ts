import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  chooseProxy,
  GRPC,
  type LocalNames,
  type ProxyVariables,
  takeProxySettings,
} from "../../../lib/util/http_clients.ts";
import { Fault } from "../../../lib/util/errors.ts";

const HERE: LocalNames = {
  addresses: ["127.0.0.1", "192.168.1.5", "fd00:0:0:0::5", "fe80::1%eth0"],
  names: ["node-a", "etcd.lab"],
};
const P = "http://p:3128";
const SET = { HTTP_PROXY: P, HTTPS_PROXY: P, ALL_PROXY: P, "grpc_proxy": P };

/** Returns the name of the proxy for `url`, "" for none. */
function proxyOf(url: string, env: Record<string, string>, variables?: ProxyVariables): string {
  return chooseProxy(url, new Map(Object.entries(env)), () => HERE, variables)?.name ?? "";
}

for (
  const host of [
    ...["127.0.0.1", "127.9.9.9", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "0.0.0.0"],
    ...["[::]", "localhost", "LOCALHOST.", "x.localhost", "127.1"],
    ...["192.168.1.5", "[fd00::5]", "[fe80::1]", "node-a", "Node-A", "etcd.lab"],
  ]
) {
  Deno.test(`proxy settings do not catch ${host}, which is local`, () => {
    for (const url of [`http://${host}:2379`, `https://${host}:6443/x`]) {
      assertEquals(proxyOf(url, SET), "");
      assertEquals(proxyOf(url, SET, GRPC), "");
    }
  });
}

for (
  const host of ["192.168.1.50", "10.0.0.5", "[fd00::6]", "node-ab", "1.27.0.1", "localhost.x"]
) {
  Deno.test(`proxy settings catch ${host}, which is not local`, () => {
    assertEquals(proxyOf(`http://${host}:2379`, SET), P);
    assertEquals(proxyOf(`https://${host}`, SET, GRPC), P);
  });
}

const exceptions: readonly (readonly [url: string, except: string, isExcepted: boolean])[] = [
  ["http://10.0.0.5:2379", "10.0.0.5", true],
  ["http://10.0.0.5:2379", "a, 10.0.0.5 ,b", true],
  ["http://10.0.0.5:2379", "a b 10.0.0.0/8", true],
  ["http://10.0.0.5:2379", "10.0.0.5:2379", true],
  ["http://10.0.0.5:2379", "10.0.0.5:2380", false],
  ["http://10.0.0.5:2379", "10.0.1.0/24", false],
  ["http://10.0.0.5:2379", "10.0.0.0/33,10.0.0.0/x", false],
  ["http://10.0.0.5:2379", "0.0.0.5", false],
  ["http://10.0.0.5:2379", "*", true],
  ["https://h", "h:443", true],
  ["https://[fd01::1]:6443", "fd01::/16", true],
  ["https://[fd01::1]:6443", "[fd01:0::1]", true],
  ["https://[fd01::1]:6443", "[fd01::1]:6443", true],
  ["https://[fd01::1]:6443", "fd02::/16,0.0.0.0/0", false],
  ["http://etcd.example.com", "example.com", true],
  ["http://etcd.example.com", ".example.COM", true],
  ["http://etcd.example.com", "*.example.com", true],
  ["http://example.com", ".example.com", true],
  ["http://badexample.com", "example.com", false],
  ["http://10.0.0.5:2379", " ", false],
];

for (const [url, NO_PROXY, isExcepted] of exceptions) {
  Deno.test(`NO_PROXY="${NO_PROXY}" ${isExcepted ? "excepts" : "does not except"} ${url}`, () => {
    assertEquals(proxyOf(url, { ...SET, NO_PROXY }), isExcepted ? "" : P);
    assertEquals(proxyOf(url, { ...SET, "no_proxy": NO_PROXY }), isExcepted ? "" : P);
  });
}

Deno.test("chooseProxy() takes the variable for the URL's scheme, in upper case first", () => {
  const [http, https] = ["http://h", "https://h"];
  assertEquals(proxyOf(http, { HTTPS_PROXY: P }), "");
  assertEquals(proxyOf(https, { HTTP_PROXY: P }), "");
  assertEquals(proxyOf(https, { "https_proxy": "q:1" }), "http://q:1");
  assertEquals(proxyOf(https, { HTTPS_PROXY: P, "https_proxy": "q:1" }), P);
  assertEquals(proxyOf(https, { ALL_PROXY: "socks5://s:1080" }), "socks5://s:1080");
  assertEquals(proxyOf(https, { "https_proxy": P, "no_grpc_proxy": "h" }, GRPC), "");
  assertEquals(proxyOf(https, { HTTPS_PROXY: P }, GRPC), "");
});

Deno.test("a proxy is named without its password, also where it is refused", () => {
  const settings = new Map([["HTTPS_PROXY", "http://me:secret@p:3128/"]]);
  assertEquals(chooseProxy("https://h", settings, () => HERE), {
    url: "http://me:secret@p:3128/",
    name: P,
  });
  for (const value of ["ftp://me:secret@p", "me:secret@:x", "http://"]) {
    const fault = assertThrows(() => proxyOf("https://h", { HTTPS_PROXY: value }), Fault);
    assertStringIncludes(fault.message, "environment variable HTTPS_PROXY refused");
    assertEquals(fault.message.includes("secret"), false);
  }
});

Deno.test("takeProxySettings() leaves none to Deno's own clients; an empty variable is not set", () => {
  const env = new Map([["HTTP_PROXY", ""], ["http_proxy", " p "], ["no_proxy", "x"], [
    "HOME",
    "/",
  ]]);
  const settings = takeProxySettings({
    get: (name) => env.get(name),
    delete: (name) => void env.delete(name),
  });
  assertEquals([...settings], [["http_proxy", "p"], ["no_proxy", "x"]]);
  assertEquals([...env], [["HOME", "/"]]);
});
