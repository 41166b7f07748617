import { assert, assertEquals } from "@std/assert";
import { CNI_CONFLIST } from "../../../lib/kube/cni_conflist.ts";
import { FILE_IN_IMAGE, imageEntries, nodeImage } from "../../../lib/kube/node_image.ts";

/** Returns the files of a tar by name, read by other code than what wrote it. */
function filesIn(tar: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const text = (at: number, size: number) =>
    new TextDecoder().decode(tar.subarray(at, at + size)).replace(/\0.*$/s, "");
  for (let at = 0; text(at, 100) !== "";) {
    const size = parseInt(text(at + 124, 12), 8);
    files.set(text(at, 100), tar.slice(at + 512, at + 512 + size));
    at += 512 * (1 + Math.ceil(size / 512));
  }
  return files;
}

async function digestOf(bytes: Uint8Array): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice())).toHex();
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

Deno.test("nodeImage() names each part by its digest and size, for OCI and for older Dockers", async () => {
  const file = new Uint8Array(700).fill(7);
  const parts = { file, name: "localhost/k8contivnet:9.9.9", version: "9.9.9" };
  const tar = await nodeImage({ ...parts, arch: "aarch64" });
  const files = filesIn(tar);
  const json = (name: string) => JSON.parse(new TextDecoder().decode(files.get(name)));
  const read = async ({ digest, size }: Descriptor) => {
    const path = `blobs/${digest.replace(":", "/")}`;
    const bytes = files.get(path);
    assert(bytes, path);
    assertEquals([bytes.length, `sha256:${await digestOf(bytes)}`], [size, digest]);
    return path;
  };
  assertEquals(json("oci-layout"), { imageLayoutVersion: "1.0.0" });
  const { manifests: [found] } = json("index.json");
  assertEquals(found.platform, { architecture: "arm64", os: "linux" });
  assertEquals(found.annotations["io.containerd.image.name"], parts.name);
  const manifest = json(await read(found));
  const [config, layer] = [await read(manifest.config), await read(manifest.layers[0])];
  assertEquals(json(config).rootfs["diff_ids"], [manifest.layers[0].digest]);
  assertEquals(json("manifest.json"), [{
    Config: config,
    RepoTags: [parts.name],
    Layers: [layer],
  }]);
  assertEquals(filesIn(files.get(layer)!).get(FILE_IN_IMAGE.slice(1)), file);
  assertEquals(await nodeImage({ ...parts, arch: "aarch64" }), tar, "the same again");
});

Deno.test("imageEntries(): each folder comes before what is in it, and names and targets fit into a tar", () => {
  const entries = imageEntries(new Uint8Array());
  const folders = new Set([""]);
  for (const entry of entries) {
    const name = entry.name.replace(/\/$/, "");
    assert(folders.has(name.slice(0, Math.max(0, name.lastIndexOf("/")))), name);
    assert(name.length <= 100 && (!("target" in entry) || entry.target.length <= 100));
    if ("folder" in entry) folders.add(name);
  }
  assertEquals(new Set(entries.map(({ name }) => name)).size, entries.length);
});

Deno.test("the CNI configuration is JSON, with our plugin alone", () => {
  const { cniVersion, cniVersions, plugins } = JSON.parse(CNI_CONFLIST);
  assertEquals([cniVersion, ...cniVersions], ["1.0.0", "0.4.0", "1.0.0", "1.1.0"]);
  assertEquals(plugins.map(({ type, ports }: Record<string, string>) => [type, ports]), [
    ["k8contivnet", "warm"],
  ]);
});
