import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { AccessOptions } from "../../../lib/kube/access.ts";
import { accessFrom, parseKubeconfig } from "../../../lib/kube/kubeconfig.ts";
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
  const fields = { contexts: [], a: "b" };
  assertEquals(await parseKubeconfig("f", JSON.stringify(fields)), fields);
  assertEquals(await parseKubeconfig("f", "{contexts: [], a: b}"), fields);
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

Deno.test("accessFrom() takes a server without TLS only where it is said", async () => {
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

Deno.test("accessFrom() prefers data to a file, and names the files that are left", async () => {
  const text = base(
    { "certificate-authority": "ca.pem", "certificate-authority-data": PEM64 },
    { "client-certificate": "me.pem", "client-key-data": PEM64 },
  );
  const { ca, key, files } = await read(text);
  assertEquals([ca, key, files], [PEM, PEM, { cert: "me.pem" }]);
});
