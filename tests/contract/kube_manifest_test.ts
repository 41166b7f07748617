// What `kube manifest` prints, before a real API server: it takes all of it as it is, and again with other settings.

import { assertEquals, assertMatch } from "@std/assert";
import { FILE } from "../lab/host.ts";
import { startKube } from "../lab/kube.ts";
import { start } from "../lab/one_file.ts";
import { run } from "../lab/run.ts";

/** Runs `kube` with these words. */
function kube(...words: string[]) {
  const cache = Deno.env.get("K8CONTIVNET_CACHE");
  const env = { PATH: "/usr/bin:/bin", ...cache ? { K8CONTIVNET_CACHE: cache } : {} };
  return start([FILE, "kube", ...words], { env });
}

Deno.test("an API server takes the manifest, and other settings change the DaemonSet's pods", async () => {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-manifest-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const server = stack.use(await startKube(`${dir}/kube`, { flags: ["--allow-privileged"] }));
  // Text that a careless writer of YAML would spoil.
  const description = "- yes: no # 'x' \"y\" {{ }} ü 1e3 | > & *";
  const intent = { Tenants: [{ Name: "t", Networks: [{ Name: "n", Description: description }] }] };
  await Deno.writeTextFile(`${dir}/intent.json`, JSON.stringify(intent));
  await Deno.writeTextFile(
    `${dir}/agent.json`,
    `\uFEFF{"store": "etcd://10.0.0.5:2379/prod", "listen": ""}`,
  );
  const hashes = new Set<unknown>();
  for (const more of [[], ["-f", `${dir}/intent.json`], ["--settings", `${dir}/agent.json`]]) {
    const { code, out, err } = await kube("manifest", ...more);
    assertEquals({ code, err }, { code: 0, err: "" });
    for (const way of [["--dry-run=server"], []]) {
      await server.kubectlWith({ stdin: out }, "apply", ...way, "-f", "-");
    }
    const place = "/apis/apps/v1/namespaces/kube-system/daemonsets/k8contivnet";
    const { spec } = await server.ask("GET", place) as { spec: DaemonSetSpec };
    hashes.add(spec.template.metadata.annotations["k8contivnet/config"]);
    const isProbed = spec.template.spec.containers.some((one) => one.livenessProbe !== undefined);
    assertEquals(
      isProbed,
      !more.includes("--settings"),
      "without --listen, no probe has an answer",
    );
    if (!more.includes("-f")) continue;
    const { data } = await server.ask(
      "GET",
      "/api/v1/namespaces/kube-system/configmaps/k8contivnet",
    );
    assertEquals(JSON.parse((data as Record<string, string>)["intent.json"]!), intent);
  }
  assertEquals(hashes.size, 3);
});

interface DaemonSetSpec {
  readonly template: {
    readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
    readonly spec: { readonly containers: readonly { readonly livenessProbe?: unknown }[] };
  };
}

Deno.test("the scripts in the manifest are sound, and a written image is not overwritten", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-manifest-" });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  const { INSTALL_CONFIGURATION, INSTALL_FILE } = await import("../../lib/kube/node_scripts.ts");
  for (const script of [INSTALL_FILE, INSTALL_CONFIGURATION]) {
    for (const shell of ["dash", "bash", "busybox"]) {
      const words = shell === "busybox" ? ["sh", "-n", "-c", script] : ["-n", "-c", script];
      await run(shell, words);
    }
  }
  assertMatch((await kube("image", `${dir}/x.tar`)).out, /x\.tar: image localhost\/k8contivnet:/);
  const { code, err } = await kube("image", `${dir}/x.tar`);
  assertEquals(code, 4);
  assertMatch(err, /x\.tar is there already/);
});

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ["--settings", "[]", /refused: it is not a JSON object; write \{"FLAG"/],
  ["--settings", "{", /refused: it is not JSON/],
  ["--settings", `{"socket": "/x"}`, /"socket" is what the manifest sets itself/],
  ["-f", `{"Tenants": [{"Name": "-"}]}`, /Tenants/],
];

for (const [option, text, says] of refusals) {
  Deno.test(`kube manifest refuses ${option} with ${text}`, async () => {
    const path = await Deno.makeTempFile({ suffix: ".json" });
    await Deno.writeTextFile(path, text);
    const { code, out, err } = await kube("manifest", option, path);
    await Deno.remove(path);
    assertEquals({ code, out }, { code: 2, out: "" });
    assertMatch(err, says);
  });
}
