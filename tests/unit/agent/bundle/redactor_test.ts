// What is a secret, and what stays readable.

import { assert, assertEquals } from "@std/assert";
import { isSecretName, Redactor, REMOVED } from "../../../../lib/agent/bundle/redactor.ts";
import { knownSecrets, secretFields } from "../../../../lib/agent/bundle/secrets.ts";
import { tarOf } from "../../../../lib/util/tar_archive.ts";

Deno.test("fields with a secret's name are known, names of files are not", () => {
  const secret = [
    ...["password", "PASSWORD", "etcdPassword", "db-password", "K8CONTIVNET_TOKEN", "token"],
    ...["client-key-data", "clientKeyData", "apiKey", "api_key", "secret", "aws_secret", "psk"],
    ...["Authorization", "access-token", "credentials", "passphrase"],
  ];
  for (const name of secret) assert(isSecretName(name), name);
  const plain = [
    ...[
      "etcdPasswordFile",
      "K8CONTIVNET_ETCD_PASSWORD_FILE",
      "tokenFile",
      "key",
      "keys",
      "etcdKey",
    ],
    ...["monkey", "subnet", "policies", "passes", "interface", "tokenize"],
  ];
  for (const name of plain) assert(!isSecretName(name), name);
});

Deno.test("known values go wherever they are, in each of their forms", () => {
  const secret = 'p"a ss/w0rd';
  const redactor = new Redactor([` ${secret}\n`, "abc"]);
  const base64 = new TextEncoder().encode(secret).toBase64();
  for (const form of [secret, JSON.stringify(secret), encodeURIComponent(secret), base64]) {
    const text = redactor.text(`before ${form} after`);
    assert(text.startsWith("before ") && text.endsWith(" after"), text);
    assert(text.includes(REMOVED) && !text.includes(form), text);
  }
  assertEquals(redactor.text("abc"), "abc", "too short to be looked for");
});

Deno.test("what looks like a secret goes", () => {
  const redactor = new Redactor([]);
  const texts: readonly [text: string, left: string][] = [
    ["-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\nx", `${REMOVED}\nx`],
    ["a eyJhbGciOiJIUzI1.eyJzdWIiOiIx.sIgNaTuRe b", `a ${REMOVED} b`],
    ["Authorization: Bearer abcdef123", `Authorization: ${REMOVED} ${REMOVED}`],
    ["etcd://root:hunter2@host:2379/x", `etcd://${REMOVED}@host:2379/x`],
    ["--etcd-password hunter2 --bridge br0", `--etcd-password ${REMOVED} --bridge br0`],
    ["--token=hunter2", `--token=${REMOVED}`],
    ['{"password":"hun\\"ter2","a":1}', `{"password":${REMOVED},"a":1}`],
    ["options:psk=hunter2, remote_ip=1.2.3.4", `options:psk=${REMOVED}, remote_ip=1.2.3.4`],
    ["the password is hunter2, ok", `the password is ${REMOVED}, ok`],
  ];
  for (const [text] of texts) assert(!redactor.text(text).includes("hunter2"), text);
  for (const [text, left] of texts.filter(([text]) => !text.startsWith("Auth"))) {
    assertEquals(redactor.text(text), left);
  }
  const plain = [
    "attached pod=default/web network=t/blue address=10.1.1.1/24",
    "cookie=0x6b38000600000000, table=12, priority=50,ct_state=-new-inv+trk,ip actions=drop",
    "monkey: banana",
    "--etcd-password-file /etc/x --kubeconfig /etc/k",
  ];
  for (const text of plain) assertEquals(redactor.text(text), text);
});

Deno.test("of JSON, everything below a secret's name goes, and the rest keeps its shape", () => {
  const redactor = new Redactor(["hunter2"]);
  const value = {
    labels: { "db-password": "x", app: "web" },
    secret: { a: ["b"] },
    list: ["hunter2", 1, null, true],
    "k-hunter2": 1,
  };
  assertEquals(redactor.json(value), {
    labels: { "db-password": REMOVED, app: "web" },
    secret: REMOVED,
    list: [REMOVED, 1, null, true],
    [`k-${REMOVED}`]: 1,
  });
});

Deno.test("secrets are gathered from environment, flags, URLs, kubeconfig and files", async () => {
  const files: Record<string, string> = {
    "/k": "users:\n- name: a\n  user:\n    token: tok-1\n    password: 'pass-2'\n" +
      `    client-key-data: ${new TextEncoder().encode("pem-3").toBase64()}\n    tokenFile: /t\n`,
    "/j": '{"users":[{"user":{"token":"tok-4","password": "pass-0"}}]}',
    "/t": "tok-5\n",
    "/p": "pass-6\n",
  };
  const found = await knownSecrets({
    environments: [{ MY_TOKEN: "tok-7", PLAIN: "x", KUBECONFIG: "/none:/j" }],
    flags: ["--kubeconfig", "/k", "--store", "etcd://u:pass%2D8@h"],
    settings: {
      ...{ host: "h", stateDir: "/s", ovsdb: "", ovsRundir: "", bridge: "", docker: "none" },
      ...{ store: "etcd://u:pass-9@h", storeOptions: { etcdPasswordFile: "/p" } },
    },
    readText: (path) => Promise.resolve(files[path] ?? ""),
  });
  const trimmed = found.map((one) => one.trim());
  for (
    const secret of [
      ...[
        "pass-0",
        "tok-1",
        "pass-2",
        "pem-3",
        "tok-4",
        "tok-5",
        "pass-6",
        "tok-7",
        "pass-8",
        "pass-9",
      ],
    ]
  ) assert(trimmed.includes(secret), `${secret}: ${trimmed}`);
  assert(!trimmed.includes("x"));
  assertEquals(secretFields("name: a\ncluster: b"), []);
});

Deno.test("an archive has whole blocks, sizes and checksums", () => {
  const tar = tarOf([{ name: "a/b.txt", text: "ü" }, { name: "c", text: "" }], 1_000_000);
  assertEquals(tar.length, 512 * (2 + 1 + 2));
  const text = (at: number, size: number) =>
    new TextDecoder().decode(tar.subarray(at, at + size)).replace(/\0.*$/s, "");
  assertEquals([text(0, 100), text(124, 12), text(257, 6)], ["a/b.txt", "00000000002", "ustar"]);
  const head = tar.slice(0, 512).fill(32, 148, 156);
  assertEquals(parseInt(text(148, 7), 8), head.reduce((sum, byte) => sum + byte, 0));
});
