// `kube manifest` and `kube image`: what runs the agents as pods of Kubernetes, made by the file itself.

import type { AgentParts, ProbeAddress } from "../kube/agent_objects.ts";
import { splitListen } from "../agent/metrics/listen_address.ts";
import { ETCD_CERTIFICATES } from "../kube/node_scripts.ts";
import { Fault, oneLine, systemWords } from "../util/errors.ts";
import { LONG_NAME_LIMIT, parseName } from "../util/names.ts";
import { VERSION } from "../util/version.ts";
import type { FaceFlag } from "./face_flags.ts";
import { readIntentFiles } from "./intent_files.ts";
import { nearest } from "./nearest.ts";
import { writeNewFile } from "./new_file.ts";
import { yamlOf } from "./output.ts";
import type { Shell } from "./shell.ts";

/** The image's name, unless another is given. */
const IMAGE_NAME = `localhost/k8contivnet:${VERSION}`;

const DEFAULT_LISTEN = "127.0.0.1:9430";
/** Of all values of a ConfigMap (Kubernetes: v1 ConfigMap, "data": 1 MiB). */
const CONFIG_MAP_BYTES = 1_000_000;
/** `kubectl apply` keeps the object in an annotation, which has at most 256 KiB. */
const CLIENT_APPLY_BYTES = 200_000;

/** Files of the Secret, by the agents' flags; the keys are those of type kubernetes.io/tls, with ca.crt beside them. */
const ETCD_FILES = {
  "etcd-ca": `${ETCD_CERTIFICATES}/ca.crt`,
  "etcd-cert": `${ETCD_CERTIFICATES}/tls.crt`,
  "etcd-key": `${ETCD_CERTIFICATES}/tls.key`,
};

/** Flags that the manifest sets, or that it has places for. */
const RESERVED = ["config", "host-label", "intent", "node-name", "socket", "state-dir"];

/** Prints the manifest for `kubectl apply -f -`. Faults: usage, not_found, failed. */
export async function printManifest({ options, output, faces }: Shell): Promise<void> {
  const namespace = parseName("namespace", options.namespace ?? "kube-system", LONG_NAME_LIMIT);
  const { etcdSecret } = options;
  const given = options.settings === undefined
    ? {}
    : await readSettingsFile(options.settings, await faces.netplugin?.() ?? []);
  const settings = settingsOf(given, etcdSecret);
  const parts: AgentParts = {
    namespace,
    image: parseImage(options.image ?? IMAGE_NAME),
    etcdSecret,
    settings,
    intent: options.files.length === 0 ? undefined : await readIntent({ options, output }),
    probe: probeAddress(settings.listen),
  };
  const [{ rbacManifest }, { configMap, daemonSet }] = await Promise.all([
    import("../kube/rbac.ts"),
    import("../kube/agent_objects.ts"),
  ]);
  const objects = [configMap(parts), daemonSet(parts)];
  const texts = await Promise.all(objects.map((one) => yamlOf(JSON.stringify(one))));
  output.data([
    `# An agent of k8contivnet ${VERSION} on each node; "k8contivnet kube image" makes its image.`,
    rbacManifest(namespace).trimEnd(),
    ...texts.flatMap((text) => ["---", text]),
  ].join("\n"));
}

/** Writes the image of the running file; prints the file's name. Faults: usage, conflict, failed. */
export async function writeImage({ args, options, output, interrupt }: Shell): Promise<void> {
  const name = parseImage(options.image ?? IMAGE_NAME);
  const { nodeImage } = await import("../kube/node_image.ts");
  const { arch } = Deno.build;
  const bytes = await nodeImage({ file: await readOwnFile(), name, version: VERSION, arch });
  const [, path = `k8contivnet-${VERSION}-image.tar`] = args;
  if (path === "-") return output.bytes(bytes);
  using _held = interrupt.hold(); // half of an image is of no use
  await writeNewFile(path, bytes, 0o644);
  output.data(`${path}: image ${name}`);
}

/** Returns the file that this program was unpacked from. Faults: unavailable, failed. */
async function readOwnFile(): Promise<Uint8Array> {
  const path = Deno.env.get("K8CONTIVNET_ARGV0");
  if (!path) {
    throw new Fault("unavailable", "the image is made from the file k8contivnet", {
      why: "this program was started without it",
      fix: 'build it by "./install.sh build", and call it',
    });
  }
  try {
    return await Deno.readFile(path);
  } catch (cause) {
    throw new Fault("failed", `${path} cannot be read`, {
      why: systemWords(cause),
      fix: "call the file by its full path",
      cause,
    });
  }
}

/** Returns the intent of -f as JSON, if it is valid. Faults: usage, not_found, failed. */
async function readIntent({ options, output }: Pick<Shell, "options" | "output">): Promise<string> {
  const { parseIntent } = await import("../intent/schema.ts");
  const { text, name, warnings, placed } = await readIntentFiles(options.files, options);
  try {
    const parsed = parseIntent(text, { strict: options.strict });
    for (const one of [...warnings, ...parsed.warnings]) output.message(`warning: ${one}`);
  } catch (error) {
    throw error instanceof Fault ? await placed(error) : error;
  }
  const pretty = `${JSON.stringify(JSON.parse(text.replace(/^\uFEFF/, "")), null, 1)}\n`;
  const size = new TextEncoder().encode(pretty).length;
  if (size > CONFIG_MAP_BYTES) {
    throw new Fault("usage", `intent ${name} is too large for a ConfigMap`, {
      why: `it has ${size} bytes, at most ${CONFIG_MAP_BYTES} are possible`,
      fix: 'leave out -f, and use "k8contivnet apply -f" once the agents run',
    });
  }
  if (size > CLIENT_APPLY_BYTES) {
    output.message('note: the intent is large: use "kubectl apply --server-side -f -"');
  }
  return pretty;
}

/** Returns the settings in a file. Faults: usage, not_found, failed. */
async function readSettingsFile(
  path: string,
  flags: readonly FaceFlag[],
): Promise<Readonly<Record<string, unknown>>> {
  const usual = 'write {"FLAG": VALUE, …}, with flags of "k8contivnet netplugin -h"';
  const refused = (why: string, fix = usual) =>
    new Fault("usage", `--settings ${path} refused`, { why, fix });
  const text = await Deno.readTextFile(path).catch((cause) => {
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new Fault(isMissing ? "not_found" : "failed", `--settings ${path} cannot be read`, {
      why: systemWords(cause),
      fix: "name a JSON file",
      cause,
    });
  });
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    throw refused("it is not JSON");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw refused("it is not a JSON object");
  }
  const reserved = RESERVED.find((key) => key in value);
  if (reserved !== undefined) throw refused(`"${reserved}" is what the manifest sets itself`);
  // An agent does not start with a flag that it does not know.
  const known = flags.map(({ name }) => name);
  const strange = Object.keys(value).find((key) => !known.includes(key));
  if (strange !== undefined) {
    const near = nearest(strange, known);
    throw refused(
      `"${oneLine(strange, 40)}" is not a flag of the agent`,
      near === undefined ? usual : `did you mean ${near}?`,
    );
  }
  return value as Readonly<Record<string, unknown>>;
}

/** Returns an image's name. Faults: usage. */
function parseImage(name: string): string {
  // The characters of a reference; what it means is for the runtime to say (distribution: reference.go).
  if (/^[a-z0-9][A-Za-z0-9._:\/@-]{0,254}$/.test(name) && !/[:@\/]$|\/\//.test(name)) return name;
  throw new Fault("usage", `--image "${name.slice(0, 60)}" is not the name of an image`, {
    fix: `use REGISTRY/NAME:TAG, such as ${IMAGE_NAME}`,
  });
}

/** Returns the agents' settings: those of the user, and what they leave to the manifest. Faults: usage. */
export function settingsOf(
  given: Readonly<Record<string, unknown>>,
  etcdSecret: string | undefined,
): Readonly<Record<string, unknown>> & { readonly listen: unknown } {
  const kept = { kubeconfig: "in-cluster", listen: DEFAULT_LISTEN };
  if (etcdSecret === undefined) return { ...kept, ...given };
  // A DNS subdomain (Kubernetes: "Object Names and IDs").
  if (etcdSecret.length > LONG_NAME_LIMIT || !/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(etcdSecret)) {
    throw new Fault("usage", `--etcd-secret "${etcdSecret.slice(0, 60)}" is not a Secret's name`, {
      fix: "use lower-case letters, digits, - and ., such as etcd-client",
    });
  }
  if (!String(given.store ?? "").startsWith("etcds://")) {
    throw new Fault("usage", "--etcd-secret needs a store with TLS", {
      why: "the agents' store is not an etcds:// URL",
      fix: 'name the store in --settings FILE: {"store": "etcds://HOST:2379/PREFIX"}',
    });
  }
  return { ...kept, ...ETCD_FILES, ...given };
}

/** Returns where a node's kubelet asks the agent, by the value of `listen`; undefined if it cannot. */
export function probeAddress(listen: unknown): ProbeAddress | undefined {
  const texts: readonly unknown[] = Array.isArray(listen) ? listen : [listen];
  for (const one of texts.flatMap((text) => splitListen(String(text ?? "")))) {
    const [, host = "", port] = /^(.*):(\d{1,5})$/.exec(one) ?? [];
    if (port === undefined || host.startsWith("unix:")) continue;
    const bare = host.replace(/^\[(.*)\]$/, "$1");
    return {
      host: ["", "0.0.0.0", "localhost", "*"].includes(bare)
        ? "127.0.0.1"
        : bare === "::"
        ? "::1"
        : bare,
      port: Number(port),
    };
  }
  return undefined;
}
