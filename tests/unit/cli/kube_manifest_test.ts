import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { load, loadAll } from "js-yaml";
import { kube } from "../../../lib/cli/kube.ts";
import { probeAddress, settingsOf } from "../../../lib/cli/kube_manifest.ts";
import { daemonSet } from "../../../lib/kube/agent_objects.ts";
import { FILE_IN_IMAGE } from "../../../lib/kube/node_image.ts";
import { Fault } from "../../../lib/util/errors.ts";
import { VERSION } from "../../../lib/util/version.ts";
import { fakeShell } from "./fake_shell.ts";

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
  readonly livenessProbe?: unknown;
}

interface PrintedObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly data?: Readonly<Record<string, string>>;
  readonly spec?: {
    readonly template: {
      readonly spec: {
        readonly initContainers: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

async function manifest(options: Parameters<typeof fakeShell>[2] = {}): Promise<PrintedObject[]> {
  const shell = fakeShell(["manifest"], {}, options);
  await kube.run(shell);
  return loadAll(shell.stdout.join("\n")) as PrintedObject[];
}

Deno.test("kube manifest prints account, permissions, settings and DaemonSet for a namespace", async () => {
  const objects = await manifest({ namespace: "net", image: "registry.local:5000/net/k:1" });
  assertEquals(objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? "-"}`), [
    ...["ServiceAccount net", "ClusterRole -", "ClusterRoleBinding -", "ConfigMap net"],
    "DaemonSet net",
  ]);
  const { data } = objects[3]!;
  assertEquals(JSON.parse(data!["agent.json"]!), {
    kubeconfig: "in-cluster",
    listen: "127.0.0.1:9430",
  });
  const { initContainers, containers, volumes } = objects[4]!.spec!.template.spec;
  const names = new Set(volumes.map(({ name }) => name));
  assertEquals(initContainers.map(({ command }) => command[0]), ["/bin/sh"]);
  assertEquals(containers.map(({ command }) => command[0]), [FILE_IN_IMAGE, "/bin/sh"]);
  for (const { image, volumeMounts } of [...initContainers, ...containers]) {
    assertEquals(image, "registry.local:5000/net/k:1");
    assert(volumeMounts.every(({ name, mountPath }) => names.has(name) && mountPath));
    assert(volumeMounts.some(({ mountPath }) => mountPath === "/host"), "commands are the node's");
  }
  assert(containers[0]!.livenessProbe);
});

const addresses: readonly (readonly [unknown, ReturnType<typeof probeAddress>])[] = [
  ["127.0.0.1:9430", { host: "127.0.0.1", port: 9430 }],
  [["unix:/run/x.sock", "0.0.0.0:80"], { host: "127.0.0.1", port: 80 }],
  ["[::]:9430", { host: "::1", port: 9430 }],
  [":9430", { host: "127.0.0.1", port: 9430 }],
  ["127.0.0.1:9430,10.0.0.1:9430", { host: "127.0.0.1", port: 9430 }],
  ["unix:/run/x.sock, 10.0.0.1:80", { host: "10.0.0.1", port: 80 }],
  ["unix:/run/x:9430", undefined],
  ["", undefined],
  [null, undefined],
];

for (const [listen, expected] of addresses) {
  Deno.test(`probeAddress() of ${JSON.stringify(listen)}`, () => {
    assertEquals(probeAddress(listen), expected);
  });
}

const STORE = { store: "etcds://10.0.0.5:2379/p" };

Deno.test("certificates for etcd come from a Secret, which the agent alone sees", () => {
  const folder = "/etc/k8contivnet-etcd";
  const settings = settingsOf({ ...STORE, "etcd-ca": "/host/etc/ca.crt" }, "etcd.client-1");
  assertEquals(settings, {
    ...{ ...STORE, kubeconfig: "in-cluster", listen: "127.0.0.1:9430" },
    ...{ "etcd-ca": "/host/etc/ca.crt", "etcd-cert": `${folder}/tls.crt` },
    "etcd-key": `${folder}/tls.key`,
  });
  const parts = { namespace: "n", image: "i", settings, intent: undefined, probe: undefined };
  const { spec } = daemonSet({ ...parts, etcdSecret: "etcd.client-1" }).spec.template;
  const secret = { secretName: "etcd.client-1", defaultMode: 0o400 };
  assertEquals<unknown>(spec.volumes.at(-1), { name: "etcd", secret });
  const seeing = [...spec.initContainers, ...spec.containers].filter(({ volumeMounts }) =>
    volumeMounts.some((one) => "mountPath" in one && one.mountPath === folder)
  );
  assertEquals(seeing.map(({ name }) => name), ["agent"]);
});

Deno.test("a Secret that has no name, or has no store with TLS, is refused", () => {
  for (const name of ["", "A", "-a", "a_b", "a".repeat(254)]) {
    assertThrows(() => settingsOf(STORE, name), Fault, "is not a Secret's name");
  }
  for (const given of [{}, { store: "etcd://10.0.0.5:2379/p" }, { store: 5 }]) {
    assertThrows(() => settingsOf(given, "a"), Fault, "needs a store with TLS");
  }
});

Deno.test("kube refuses what is not the name of an image, and what it does not know", async () => {
  for (const image of ["", "Upper/x", "a b", "a:", "a//b", "-x"]) {
    await assertRejects(() => manifest({ image }), Fault, "is not the name of an image");
  }
  for (const words of [["manifests"], ["manifest", "x"], ["image", "a", "b"], ["toString"]]) {
    await assertRejects(async () => await kube.run(fakeShell(words, {})), Fault, "kube got");
  }
  await assertRejects(async () => await kube.run(fakeShell([], {})), Fault, "kube needs manifest");
});

Deno.test("kube refuses an option that belongs to another word", async () => {
  const cases = [
    ["status", { image: "a" }, "kube status has no --image"],
    ["image", { settings: "a" }, "kube image has no --settings"],
    ["rbac", { files: ["a"] }, "kube rbac has no --file"],
    ["conflist", { namespace: "a" }, "kube conflist has no --namespace"],
  ] as const;
  for (const [word, options, message] of cases) {
    const run = async () => await kube.run(fakeShell([word], {}, options));
    await assertRejects(run, Fault, message);
  }
  const shell = fakeShell(["rbac"], {}, { namespace: "net" });
  await kube.run(shell);
  assertMatch(shell.stdout.join("\n"), /namespace: net/);
});

Deno.test("kube conflist prints the CNI configuration", async () => {
  const shell = fakeShell(["conflist"], {});
  await kube.run(shell);
  const { name } = load(shell.stdout.join("\n")) as { readonly name: string };
  assertEquals(name, "k8contivnet");
  assertMatch(VERSION, /^\d+\.\d+\.\d+$/);
});
