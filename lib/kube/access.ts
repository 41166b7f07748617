// URL of the API server and our credentials, from a kubeconfig or the service account of a pod. Everything is read
// again for each connection, as tokens, certificates and keys are renewed in place.

import { Fault, oneLine, systemWords } from "../util/errors.ts";
import type { Access, AccessOptions } from "./access_fields.ts";

export type { Access, AccessOptions };

/** Reads URL and credentials as they are now. Faults: usage, not_found, failed. */
export type AccessSource = () => Promise<Access>;

/** Value of `--kubeconfig` in a pod of the cluster. */
export const IN_CLUSTER = "in-cluster";

const ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount";

// The ways out if a file is missing or not usable.
const NAME = "set --kubeconfig to the right file";
const MOUNT = "mount the service account into the pod (automountServiceAccountToken)";

/** Returns the source for `--kubeconfig`: a file, or `in-cluster`. */
export function accessSource(kubeconfig: string, options: AccessOptions = {}): AccessSource {
  return kubeconfig === IN_CLUSTER ? () => inCluster() : () => accessFromFile(kubeconfig, options);
}

/** Returns the access of a pod's service account. Faults: usage, if this is not a pod of a cluster. */
async function inCluster(): Promise<Access> {
  const [host, port] = ["HOST", "PORT"].map((name) =>
    Deno.env.get(`KUBERNETES_SERVICE_${name}`) || ""
  );
  if (!host || !port) {
    throw new Fault("usage", "not running in a Kubernetes pod", {
      why: "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set",
      fix: "set --kubeconfig to a file, or run in a pod",
    });
  }
  return {
    server: `https://${host.includes(":") ? `[${host}]` : host}:${port}`,
    ca: await readPart("service account's ca", `${ACCOUNT}/ca.crt`, MOUNT),
    token: await readToken("service account's token", `${ACCOUNT}/token`, MOUNT),
    namespace: (await Deno.readTextFile(`${ACCOUNT}/namespace`).catch(() => "")).trim() ||
      "default",
  };
}

/**
 * Returns the source for the kubeconfigs that kubectl reads without `--kubeconfig`: those in KUBECONFIG, merged, without
 * those that are missing; else ~/.kube/config.
 */
export function defaultAccessSource(options: AccessOptions = {}): AccessSource {
  const named = (Deno.env.get("KUBECONFIG") ?? "").split(":").filter((path) => path !== "");
  const [only, ...others] = named;
  if (only !== undefined && others.length > 0) return () => accessFromFiles(named, options);
  return () => accessFromFile(only ?? `${Deno.env.get("HOME") ?? ""}/.kube/config`, options);
}

async function accessFromFile(path: string, options: AccessOptions): Promise<Access> {
  const { parseKubeconfig } = await import("./kubeconfig.ts");
  const text = await readPart("kubeconfig", path, NAME);
  return await accessIn(await parseKubeconfig(path, text), path, options);
}

async function accessFromFiles(paths: readonly string[], options: AccessOptions): Promise<Access> {
  const { mergeKubeconfigs, parseKubeconfig } = await import("./kubeconfig.ts");
  const texts = await Promise.all(paths.map((path) => readIfThere(path)));
  if (texts.every((text) => text === undefined)) {
    throw new Fault("not_found", "no kubeconfig found", {
      why: `${oneLine(paths.join(", "), 100)} are missing`,
      fix: "correct KUBECONFIG, or set --kubeconfig",
    });
  }
  const configs = await Promise.all(paths.map((path, at) => {
    const text = texts[at] ?? "";
    // An empty file is one without any field, as kubectl creates it.
    return text.trim() === "" ? {} : parseKubeconfig(path, text);
  }));
  return await accessIn(mergeKubeconfigs(configs), paths.join(":"), options);
}

/** Returns the text of a kubeconfig; undefined if it is missing. Faults: failed. */
async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readPart("kubeconfig", path, NAME);
  } catch (error) {
    if (error instanceof Fault && error.code === "not_found") return undefined;
    throw error;
  }
}

/** Returns the access that a kubeconfig describes, with the contents of the files that it names. */
async function accessIn(
  config: Readonly<Record<string, unknown>>,
  path: string,
  options: AccessOptions,
): Promise<Access> {
  const { accessFrom } = await import("./kubeconfig.ts");
  const { files, ...rest } = accessFrom(config, path, options);
  const read = async (what: "ca" | "cert" | "key" | "token") => {
    const file = files[what];
    if (file === undefined) return {};
    const readFile = what === "token" ? readToken : readPart;
    return { [what]: await readFile(`kubeconfig: its ${what}`, file, NAME) };
  };
  return {
    ...rest,
    ...await read("ca"),
    ...await read("cert"),
    ...await read("key"),
    ...await read("token"),
  };
}

/** Reads a token. Faults: not_found; failed, also for an empty file, which is being written. */
async function readToken(what: string, path: string, fix: string): Promise<string> {
  const token = (await readPart(what, path, fix)).trim();
  if (token !== "") return token;
  throw new Fault("failed", `${what} ${oneLine(path, 80)} is empty`, { fix });
}

/** Reads one file. Faults: not_found, failed. */
async function readPart(what: string, path: string, fix: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (cause) {
    const isMissing = cause instanceof Deno.errors.NotFound;
    throw new Fault(
      isMissing ? "not_found" : "failed",
      `${what} ${oneLine(path, 80)} cannot be read`,
      { why: systemWords(cause), fix, cause },
    );
  }
}
