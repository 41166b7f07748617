import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { AccessOptions } from "../../../lib/kube/access.ts";
import { accessFrom, mergeKubeconfigs, parseKubeconfig } from "../../../lib/kube/kubeconfig.ts";
import { Fault } from "../../../lib/util/errors.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n";
const PEM64 = new TextEncoder().encode(PEM).toBase64();

const YAML = `
apiVersion: v1
kind: Config
current-context: prod
contexts:
- {name: prod, context: {cluster: c, user: u, namespace: web}}
- {name: other, context: {cluster: d, user: u}}
clusters:
- name: c
  cluster:
    server: https://10.0.0.1:6443/
    certificate-authority-data: ${PEM64}
- {name: d, cluster: {server: "https://[fd00::1]:6443/k8s/x"}}
users:
- name: u
  user:
    token: abc
    tokenFile: /run/token
`;

async function read(text: string, options: AccessOptions = {}) {
  return accessFrom(await parseKubeconfig("f", text), "f", options);
}

Deno.test("accessFrom() reads the current context's server, authority, token and namespace", async () => {
  assertEquals(await read(YAML), {
    server: "https://10.0.0.1:6443",
    namespace: "web",
    ca: PEM,
    token: "abc",
    files: { token: "/run/token" },
  });
});

Deno.test("accessFrom() reads another context where one is named", async () => {
  const { server, namespace } = await read(YAML, { context: "other" });
  assertEquals([server, namespace], ["https://[fd00::1]:6443/k8s/x", "default"]);
});

Deno.test("parseKubeconfig() reads JSON, and YAML in flow style", async () => {
  const fields = { contexts: [], clusters: [], users: [], a: "b" };
  assertEquals(await parseKubeconfig("f", JSON.stringify(fields)), fields);
  assertEquals(await parseKubeconfig("f", "{contexts: [], clusters: [], users: [], a: b}"), fields);
});

for (
  const [name, text, words] of [
    ["a tab", "a:\n\t- b", "tab characters must not be used in indentation (2:1)"],
    ["a key twice", "a: 1\na: 2", "duplicated mapping key (2:1)"],
    ["half a line", "{contexts: [", "unexpected end of the stream"],
    ["a list", "- a\n- b", "it is not an object"],
    ["nothing", "", "the input is empty"],
    ["too much", `a: ${"x".repeat(1024 * 1024)}`, "more than 1048576 bytes"],
  ] as const
) {
  Deno.test(`parseKubeconfig() refuses ${name} in one sentence`, async () => {
    const fault = await assertRejects(() => parseKubeconfig("/etc/kube.yaml", text), Fault, words);
    assertEquals([fault.code, fault.message.includes("\n")], ["usage", false]);
  });
}

const base = (cluster: object, user: object, more: object = {}) =>
  JSON.stringify({
    "current-context": "x",
    contexts: [{ name: "x", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: "https://h:1", ...cluster } }],
    users: [{ name: "u", user }],
    ...more,
  });

Deno.test("accessFrom() takes a server without TLS only where that is allowed explicitly", async () => {
  const text = base({ server: "http://127.0.0.1:8080" }, {});
  await assertRejects(() => read(text), Fault, "--kube-insecure");
  assertEquals((await read(text, { isInsecure: true })).server, "http://127.0.0.1:8080");
});

for (
  const [name, text, words] of [
    ["who skips TLS", base({ "insecure-skip-tls-verify": true }, {}), "would trust any server"],
    ["no context", base({}, {}, { "current-context": "" }), "no current-context"],
    ["an unknown context", base({}, {}, { "current-context": "y" }), 'no context "y"'],
    ["an unknown cluster", base({}, {}, { clusters: [] }), 'no cluster "c"'],
    ["an unknown user", base({}, {}, { users: null }), 'no user "u"'],
    ["a login by command", base({}, { exec: { command: "x" } }), 'logs in by "exec"'],
    ["a password", base({}, { username: "a", password: "b" }), 'logs in by "username"'],
    ["no URL", base({ server: "h:1" }, {}), "is not a URL"],
    [
      "an address that one reads as 8.0.0.1, another as 10.0.0.1",
      base({ server: "https://010.000.000.001:6443" }, {}),
      "has an address with leading zeros",
    ],
    ["no server", base({ server: "" }, {}), "has no server"],
    ["bad base64", base({ "certificate-authority-data": "?" }, {}), "not PEM in base64"],
    ["no PEM", base({ "certificate-authority-data": "YWJj" }, {}), "not PEM in base64"],
    ["half a pair", base({}, { "client-certificate": "/a" }), "it has only one"],
  ] as const
) {
  Deno.test(`accessFrom() refuses ${name} in one sentence`, async () => {
    const config = await parseKubeconfig("f", text);
    const fault = assertThrows(() => accessFrom(config, "f", {}), Fault, words);
    assertEquals([fault.code, fault.message.length < 200], ["usage", true]);
  });
}

for (const unset of ["", null]) {
  Deno.test(`fields of a kubeconfig that are ${JSON.stringify(unset)} count as not set`, async () => {
    const text = base({
      ...{ "proxy-url": unset, "tls-server-name": unset, "insecure-skip-tls-verify": unset },
      ...{ "certificate-authority": unset, "certificate-authority-data": unset },
    }, {
      ...{ username: unset, password: unset, exec: unset, "auth-provider": unset, as: unset },
      ...{ "client-certificate": unset, "client-key-data": unset, tokenFile: unset, token: "t" },
      ...{ "as-uid": unset },
    });
    const plain = { server: "https://h:1", namespace: "default", token: "t", files: {} };
    assertEquals(await read(text), plain);
    assertEquals(await read(text, { context: "" }), plain);
    const context = (fields: object) => ({
      ...{ preferences: unset, contexts: [{ name: "x", context: { cluster: "c", ...fields } }] },
    });
    const anonymous = base({}, {}, context({ user: unset, namespace: unset }));
    assertEquals(await read(anonymous), {
      ...{ server: "https://h:1", namespace: "default", files: {} },
    });
    assertEquals((await read(base({}, {}, { users: [{ name: "u", user: unset }] }))).files, {});
    for (const list of ["contexts", "clusters", "users"]) {
      await assertRejects(() => read(base({}, {}, { [list]: unset })), Fault, "it has no ");
    }
  });
}

for (
  const [name, text, words] of [
    [
      "a token that is a number",
      base({}, { token: 12345 }),
      "its token is not text; put the value",
    ],
    ["a file that is a list", base({}, { tokenFile: ["a"] }), "its tokenFile is not text"],
    [
      "a namespace that is a number",
      base({}, {}, {
        contexts: [{ name: "x", context: { cluster: "c", namespace: 7 } }],
      }),
      "its namespace is not text",
    ],
    ["no bool", base({ "insecure-skip-tls-verify": "yes" }, {}), "is not true or false"],
  ] as const
) {
  Deno.test(`accessFrom() refuses ${name}, which kubectl refuses, too`, async () => {
    await assertRejects(() => read(text), Fault, words);
  });
}

Deno.test("mergeKubeconfigs() takes the first of each name as a whole, and the first current context", async () => {
  const one = (file: string, current: string, user: object, context = "both") => ({
    "current-context": current,
    contexts: [{ name: context, context: { cluster: `c-${file}`, user: "u" } }],
    clusters: [{
      name: `c-${file}`,
      cluster: { server: `https://${file}:1`, "certificate-authority": "ca.pem" },
    }],
    users: [{ name: "u", user }],
  });
  const files: [path: string, config: object][] = [
    ["/a/config", { ...one("a", "", { token: "first" }), users: null }],
    ["/b/config", one("b", "both", { token: "second", tokenFile: "t" })],
    ["config", one("c", "other", { "client-certificate": "/x", "client-key": "k" }, "other")],
  ];
  const configs = await Promise.all(
    files.map(([path, config]) => parseKubeconfig(path, JSON.stringify(config))),
  );
  assertEquals(accessFrom(mergeKubeconfigs(configs), "f", {}), {
    ...{ server: "https://a:1", namespace: "default", token: "second" },
    files: { ca: "/a/ca.pem", token: "/b/t" },
  });
  const other = accessFrom(mergeKubeconfigs(configs), "f", { context: "other" });
  assertEquals([other.server, other.files.ca, other.token], ["https://c:1", "ca.pem", "second"]);
});

Deno.test("accessFrom() prefers data to a file, and names the files that are left", async () => {
  const text = base(
    { "certificate-authority": "ca.pem", "certificate-authority-data": PEM64 },
    { "client-certificate": "me.pem", "client-key-data": PEM64 },
  );
  const { ca, key, files } = await read(text);
  assertEquals([ca, key, files], [PEM, PEM, { cert: "me.pem" }]);
});
