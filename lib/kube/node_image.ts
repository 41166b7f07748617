// The container image of the agents, made from the file itself, without a registry: OCI image layout 1.0 in a tar
// (image-layout.md), with the manifest.json of older Dockers beside it (docker save, image specification 1.2).
//
// The image has the file, and otherwise only links to the node's root, which the manifest mounts at /host. The agent
// needs Open vSwitch's tools, ip, nft, nsenter and a shell, and they must be those of the node: ovs-vsctl speaks to
// the node's ovs-vswitchd, nft and ip to the node's kernel. With them come the node's C library and its loader, which
// are then also those of the file; it says so where glibc is too old. What was considered instead:
// - libraries copied from the machine that makes the image: two C libraries in one container, and still no tools;
// - chroot to /host, or nsenter into the node's mount namespace: the image would need a static program for that, and
//   the agent would see neither the account's token, which its kubelet renews, nor the ConfigMap.
// So paths mean what they mean on the node, but for what Kubernetes itself places: token, ConfigMap, /etc/hosts.

import { type TarEntry, tarOf } from "../util/tar_archive.ts";

/** Where the image has the file. */
export const FILE_IN_IMAGE = "/k8contivnet/bin/k8contivnet";

/** Where the manifest mounts the node's root. */
export const NODE_ROOT = "/host";

/** What an image is made of. */
export interface ImageParts {
  /** The file, as it is installed on hosts. */
  readonly file: Uint8Array;
  /** `REGISTRY/NAME:TAG` */
  readonly name: string;
  readonly version: string;
  /** As Deno calls it. */
  readonly arch: "x86_64" | "aarch64";
}

const FOLDERS = [
  ...["dev", "etc", "etc/k8contivnet", "etc/k8contivnet-etcd", "host", "k8contivnet"],
  ...["k8contivnet/bin", "proc", "root", "run", "run/k8contivnet", "run/netns", "sys", "var"],
  ...["var/cache", "var/cache/k8contivnet"],
  ...["var/lib", "var/lib/k8contivnet"],
];

/** Commands and libraries; what loads them; certificates; sockets of the node that have no mount of their own. */
const NODE_PATHS = [
  ...["bin", "lib", "lib32", "lib64", "libx32", "nix", "opt", "sbin", "usr"],
  ...["etc/alternatives", "etc/iproute2", "etc/ld.so.cache", "etc/ld.so.conf", "etc/ld.so.conf.d"],
  ...["etc/localtime", "etc/pki", "etc/ssl"],
  ...["run/containerd", "run/crio", "run/docker", "run/docker.sock", "run/openvswitch"],
];

/** Returns the image's files and links, in an order in which folders come first. */
export function imageEntries(file: Uint8Array): TarEntry[] {
  return [
    ...FOLDERS.map((name) => ({ name: `${name}/`, folder: true as const })),
    { name: "tmp/", folder: true, mode: 0o1777 },
    ...NODE_PATHS.map((name) => ({ name, target: `${NODE_ROOT}/${name}` })),
    { name: "var/run", target: "/run" },
    { name: FILE_IN_IMAGE.slice(1), text: file, mode: 0o755 },
  ];
}

/** Returns the image as a tar that `ctr images import`, `podman load` and `docker load` read. */
export async function nodeImage(parts: ImageParts): Promise<Uint8Array<ArrayBuffer>> {
  const { name, arch } = parts;
  const architecture = arch === "aarch64" ? "arm64" : "amd64";
  const layer = await blobOf(tarOf(imageEntries(parts.file), 0));
  const config = await blobOf(jsonOf(configOf(parts, architecture, layer.digest)));
  const manifest = await blobOf(jsonOf({
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: descriptor("config.v1+json", config),
    layers: [descriptor("layer.v1.tar", layer)],
  }));
  const index = {
    schemaVersion: 2,
    manifests: [{
      ...descriptor("manifest.v1+json", manifest),
      platform: { architecture, os: "linux" },
      annotations: {
        "io.containerd.image.name": name,
        "org.opencontainers.image.ref.name": name,
      },
    }],
  };
  const docker = [{ Config: config.path, RepoTags: [name], Layers: [layer.path] }];
  const text = (name: string, value: unknown) => ({ name, text: jsonOf(value), mode: 0o644 });
  return tarOf([
    text("oci-layout", { imageLayoutVersion: "1.0.0" }),
    text("index.json", index),
    text("manifest.json", docker),
    { name: "blobs/", folder: true },
    { name: "blobs/sha256/", folder: true },
    ...[config, manifest, layer].map(({ path, bytes }) => ({
      ...{ name: path, text: bytes, mode: 0o644 },
    })),
  ], 0);
}

const OCI = "application/vnd.oci.image";

function configOf({ version }: ImageParts, architecture: string, layer: string): unknown {
  return {
    architecture,
    os: "linux",
    config: {
      Env: [`PATH=${FILE_IN_IMAGE.replace(/\/[^/]+$/, "")}:/usr/sbin:/usr/bin:/sbin:/bin`],
      Entrypoint: [FILE_IN_IMAGE],
      WorkingDir: "/",
      Labels: {
        "org.opencontainers.image.title": "k8contivnet",
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.licenses": "Apache-2.0",
      },
    },
    rootfs: { type: "layers", ["diff_ids"]: [layer] },
    history: [{ ["created_by"]: "k8contivnet kube image" }],
  };
}

/** Some bytes of an image by their digest. */
interface Blob {
  readonly bytes: Uint8Array;
  readonly digest: string;
  readonly path: string;
}

async function blobOf(bytes: Uint8Array<ArrayBuffer>): Promise<Blob> {
  const hex = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  return { bytes, digest: `sha256:${hex}`, path: `blobs/sha256/${hex}` };
}

function descriptor(type: string, { bytes, digest }: Blob) {
  return { mediaType: `${OCI}.${type}`, digest, size: bytes.length };
}

function jsonOf(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value));
}
