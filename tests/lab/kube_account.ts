// The agents' service account, with the rights that we ship; and a pod's account as its kubelet places
// it: files that are links through `..data`, which is swapped as a whole when the token is renewed. The
// latter only in the lab, whose /run is its own.

import { run } from "./run.ts";
import { FILE } from "./host.ts";
import { type Kube, type KubeOptions, startKube } from "./kube.ts";
import type { TokenClaims } from "./kube_token.ts";

const SECRETS = "/var/run/secrets";
const FOLDER = `${SECRETS}/kubernetes.io/serviceaccount`;

/**
 * Starts an API server that has what the built file's `kube rbac` prints. `parent` is the folder of its folder,
 * the one for temporary files by default.
 */
export async function startKubeWithRbac(
  { parent, ...options }: KubeOptions & { readonly parent?: string } = {},
): Promise<Kube> {
  const manifest = await run(FILE, ["kube", "rbac"], { limitMs: 60_000 });
  const place = { prefix: "k8contivnet-kube-", ...parent === undefined ? {} : { dir: parent } };
  const kube = await startKube(await Deno.makeTempDir(place), options);
  try {
    await kube.kubectlWith({ stdin: manifest }, "apply", "-f", "-");
    return kube;
  } catch (error) {
    await kube.stop();
    throw error;
  }
}

/** Returns a token of the agents' account. */
export function agentToken(kube: Kube, claims?: TokenClaims): Promise<string> {
  return kube.token("kube-system", "k8contivnet", claims);
}

/** Writes a kubeconfig of the agents' account; `endpoint` is another way to the API server. */
export async function agentKubeconfig(
  kube: Kube,
  { name = "agent", endpoint = kube.endpoint } = {},
): Promise<string> {
  const token = await agentToken(kube);
  return await kube.kubeconfig(name, { token }, { server: `https://${endpoint}` });
}

/** A service account that is in place until the end of the test. */
export interface PlacedAccount extends AsyncDisposable {
  /** What else tells a pod of its cluster. */
  readonly env: Readonly<Record<string, string>>;
  /** Puts another token in the place of the one that is there. */
  renew(token: string): Promise<void>;
}

/** Places the account of a pod in `namespace`. Throws where one is there, as in a real pod. */
export async function placeAccount(
  kube: Kube,
  namespace: string,
  token: string,
): Promise<PlacedAccount> {
  await Deno.mkdir(SECRETS);
  await Deno.mkdir(FOLDER, { recursive: true });
  const ca = await Deno.readTextFile(kube.files.ca);
  let count = 0;
  const renew = async (fresh: string) => {
    const data = `..data-${++count}`;
    const files = { "ca.crt": ca, namespace, token: fresh };
    await Deno.mkdir(`${FOLDER}/${data}`);
    for (const [name, text] of Object.entries(files)) {
      await Deno.writeTextFile(`${FOLDER}/${data}/${name}`, text);
    }
    await Deno.symlink(data, `${FOLDER}/..data_tmp`);
    await Deno.rename(`${FOLDER}/..data_tmp`, `${FOLDER}/..data`);
    if (count > 1) await Deno.remove(`${FOLDER}/..data-${count - 1}`, { recursive: true });
  };
  await renew(token);
  for (const name of ["ca.crt", "namespace", "token"]) {
    await Deno.symlink(`..data/${name}`, `${FOLDER}/${name}`);
  }
  const [host = "", port = ""] = kube.endpoint.split(":");
  return {
    env: { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port },
    renew,
    [Symbol.asyncDispose]: () => Deno.remove(SECRETS, { recursive: true }),
  };
}

/**
 * Makes a pod of the account, and returns the token that the API server itself makes for it: it ends
 * with the pod.
 */
export async function podToken(
  kube: Kube,
  { namespace, account, pod }: {
    readonly namespace: string;
    readonly account: string;
    readonly pod: string;
  },
): Promise<string> {
  await kube.ask("POST", `/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: pod },
    spec: { serviceAccountName: account, containers: [{ name: "c", image: "i" }] },
  });
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`;
  const { status } = await kube.ask("POST", path, {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenRequest",
    spec: {
      expirationSeconds: 600,
      boundObjectRef: { apiVersion: "v1", kind: "Pod", name: pod },
    },
  });
  return (status as { token: string }).token;
}

/** Reports whether the API server takes the token. */
export async function isGood(kube: Kube, token: string): Promise<boolean> {
  const caCerts = [await Deno.readTextFile(kube.files.ca)];
  using client = Deno.createHttpClient({ caCerts });
  const headers = { authorization: `Bearer ${token}` };
  const response = await fetch(`${kube.url}/api/v1/namespaces?limit=1`, { client, headers });
  await response.body?.cancel();
  return response.status !== 401;
}
