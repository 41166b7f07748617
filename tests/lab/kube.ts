// A private API server of Kubernetes with an etcd, certificates and rights (RBAC) of its own. Nothing
// else of Kubernetes runs: no controller, no scheduler; tests name a pod's node themselves. The real
// kubectl is the reader that shares no code with ours.

import { run } from "./run.ts";
import { type Etcd, type EtcdOptions, startEtcd } from "./etcd.ts";
import { type Certificates, makeCertificates } from "./etcd_files.ts";
import { freezeProcess } from "./freeze.ts";
import { type Server, startServer } from "./server.ts";
import { waitFor } from "./wait.ts";
import { AUDIT_POLICY, type AuditedRequest, readAudit } from "./kube_audit.ts";
import { signToken, type TokenClaims } from "./kube_token.ts";
import { hangSignal } from "./limits.ts";

const BUILD = new URL("../kube/build.sh", import.meta.url).pathname;
// The build of a whole test run may still be under way.
const BUILD_LIMIT_MS = 30 * 60_000;
/** Of the service "kubernetes": the first one of its range. */
const SERVICE_ADDRESS = "10.0.0.1";
const ISSUER = "https://kubernetes.default.svc";

/** Where and how an API server runs. */
export interface KubeOptions {
  /** @default "127.0.0.1" */
  readonly address?: string;
  /** A free one by default. */
  readonly port?: number;
  /** More flags of kube-apiserver. */
  readonly flags?: readonly string[];
  readonly etcd?: EtcdOptions;
  /**
   * Pods get the token of their service account, and the service "kubernetes" leads here, as the controllers that
   * the test starts make these accounts, and its kube-proxies that way. @default false
   */
  readonly servesPods?: boolean;
}

/** Waits until these executables are built; returns the folder that has them. */
export function builtKube(...names: string[]): Promise<string> {
  return run(BUILD, ["--wait", ...names], { limitMs: BUILD_LIMIT_MS });
}

/** Returns the containerd of another Debian release, which install.sh has fetched. */
export async function otherContainerd(release: "trixie" | "sid"): Promise<string> {
  const path = `${await builtKube("kubectl")}/containerd-${release}/containerd`;
  await Deno.lstat(path).catch((cause) => {
    throw new Error(`${path} is missing; run tests/kube/containerd.sh ${release}`, { cause });
  });
  return path;
}

/** Starts an API server in `dir` (made new, removed in the end) and returns it when it serves. */
export async function startKube(dir: string, options: KubeOptions = {}): Promise<Kube> {
  await Deno.mkdir(dir, { recursive: true });
  const { address = "127.0.0.1" } = options;
  const bin = await builtKube("kubectl", "kube-apiserver");
  const certificates = { address, serviceAddress: SERVICE_ADDRESS, user: "operator" };
  const files = await makeCertificates(dir, { ...certificates, serverUseOnly: false });
  await run("openssl", [
    ...["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", `${dir}/accounts.key`],
  ]);
  const etcd = await startEtcd(`${dir}/etcd`, { address, ...options.etcd });
  const kube = new Kube({
    dir,
    bin,
    files,
    etcd,
    options,
    port: options.port ?? freePort(address),
  });
  try {
    await kube.prepare();
    await kube.start();
    return kube;
  } catch (error) {
    await kube.stop();
    throw error;
  }
}

interface KubeParts {
  readonly dir: string;
  readonly bin: string;
  readonly files: Certificates;
  readonly etcd: Etcd;
  readonly options: KubeOptions;
  readonly port: number;
}

/** A running API server. */
export class Kube implements AsyncDisposable {
  readonly dir: string;
  readonly etcd: Etcd;
  readonly files: Certificates;
  /** `HOST:PORT` */
  readonly endpoint: string;
  readonly url: string;
  /** Of a user who may do everything. */
  readonly adminToken = crypto.randomUUID();
  readonly #parts: KubeParts;
  #server: Server | undefined;

  /** Names the places of an API server; `startKube` is what starts one. */
  constructor(parts: KubeParts) {
    this.#parts = parts;
    this.dir = parts.dir;
    this.etcd = parts.etcd;
    this.files = parts.files;
    this.endpoint = `${parts.options.address ?? "127.0.0.1"}:${parts.port}`;
    this.url = `https://${this.endpoint}`;
  }

  /** Folder that has the kubectl which was built with it. */
  get bin(): string {
    return this.#parts.bin;
  }

  get pid(): number {
    if (!this.#server) throw new Error("the API server is not running");
    return this.#server.pid;
  }

  /** Writes what it needs before its first start. */
  async prepare(): Promise<void> {
    await Deno.writeTextFile(
      `${this.dir}/tokens.csv`,
      `${this.adminToken},admin,1,"system:masters"\n`,
    );
    await Deno.writeTextFile(`${this.dir}/audit.json`, AUDIT_POLICY);
    await this.kubeconfig("admin", { token: this.adminToken });
  }

  /** Starts it; returns it when it is ready. */
  async start(): Promise<void> {
    if (this.#server) return;
    const { bin, files, port, options } = this.#parts;
    const address = options.address ?? "127.0.0.1";
    const accounts = `${this.dir}/accounts.key`;
    this.#server = await startServer({
      command: `${bin}/kube-apiserver`,
      args: [
        ...[`--etcd-servers=http://${this.etcd.endpoints.join(",http://")}`],
        ...[`--bind-address=${address}`, `--advertise-address=${address}`, `--secure-port=${port}`],
        ...[`--tls-cert-file=${files.serverCert}`, `--tls-private-key-file=${files.serverKey}`],
        ...[`--client-ca-file=${files.ca}`, `--token-auth-file=${this.dir}/tokens.csv`],
        ...[`--service-account-issuer=${ISSUER}`, `--service-account-key-file=${accounts}`],
        ...[`--service-account-signing-key-file=${accounts}`, "--authorization-mode=RBAC"],
        // Mostly no controller makes service accounts, and nothing asks by the service "kubernetes".
        ...options.servesPods
          ? ["--endpoint-reconciler-type=master-count"]
          : ["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"],
        ...["--service-cluster-ip-range=10.0.0.0/24", `--cert-dir=${this.dir}`],
        ...[`--audit-policy-file=${this.dir}/audit.json`, `--audit-log-path=${this.dir}/audit.log`],
        ...options.flags ?? [],
      ],
      log: `${this.dir}/kube-apiserver.log`,
      isUp: () => this.#isReady(),
      limitMs: 90_000,
    });
    // It makes them a moment after it is ready.
    await waitFor("Kubernetes' own namespaces", async () => {
      const { items } = await this.ask("GET", "/api/v1/namespaces");
      return (items as unknown[]).length >= 4;
    }, { limitMs: 30_000 });
  }

  /** Ends it by SIGKILL, as a crash would; etcd stays. */
  async kill(): Promise<void> {
    await this.#server?.kill();
    this.#server = undefined;
  }

  /** Kills it and starts it again. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Stops it where it stands: it takes connections and never answers. */
  freeze(): void {
    freezeProcess(this.pid);
  }

  /** Lets it go on. */
  thaw(): void {
    Deno.kill(this.pid, "SIGCONT");
  }

  /** Runs the real kubectl as the admin; returns its output. */
  kubectl(...words: string[]): Promise<string> {
    return this.kubectlWith({}, ...words);
  }

  /** The same with text on its standard input. */
  kubectlWith({ stdin }: { readonly stdin?: string }, ...words: string[]): Promise<string> {
    return run(`${this.bin}/kubectl`, [
      `--kubeconfig=${this.dir}/admin.kubeconfig`,
      `--cache-dir=${this.dir}/kubectl`,
      ...words,
    ], { limitMs: 60_000, ...stdin === undefined ? {} : { stdin } });
  }

  /** Sends one request as the admin; returns the answer's value. Throws for a refusal. */
  async ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const type = method === "PATCH" ? "application/merge-patch+json" : "application/json";
    const response = await fetch(`${this.url}${path}`, {
      method,
      client: await this.#http(),
      headers: { authorization: `Bearer ${this.adminToken}`, "content-type": type },
      ...body === undefined ? {} : { body: JSON.stringify(body) },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return JSON.parse(text);
  }

  /** Makes a pod on `node`; returns its UID. */
  async pod(namespace: string, name: string, node: string, more: PodParts = {}): Promise<string> {
    const { metadata } = await this.ask("POST", `/api/v1/namespaces/${namespace}/pods`, {
      metadata: { name, labels: more.labels ?? {}, annotations: more.annotations },
      spec: { nodeName: node, containers: [{ name: "c", image: "i", ports: more.ports ?? [] }] },
    });
    return (metadata as { uid: string }).uid;
  }

  /** Changes labels of a pod; `null` removes one. */
  async label(namespace: string, name: string, labels: Record<string, string | null>) {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    await this.ask("PATCH", path, { metadata: { labels } });
  }

  /** Deletes a pod at once, as a kubelet does in the end. */
  async removePod(namespace: string, name: string): Promise<void> {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    await this.ask("DELETE", path, { gracePeriodSeconds: 0 });
  }

  /** Returns what the pod's annotation says, undefined where it is not there. */
  async annotationOf(namespace: string, name: string, key: string): Promise<string | undefined> {
    const pod = await this.ask("GET", `/api/v1/namespaces/${namespace}/pods/${name}`);
    return (pod.metadata as { annotations?: Record<string, string> }).annotations?.[key];
  }

  /** Returns a token of a service account that is there, with the claims that a test is about. */
  async token(
    namespace: string,
    account: string,
    claims: TokenClaims = { seconds: 3600 },
  ): Promise<string> {
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}`;
    const { metadata } = await this.ask("GET", path);
    const { uid } = metadata as { uid: string };
    const key = await Deno.readTextFile(`${this.dir}/accounts.key`);
    return await signToken(key, { issuer: ISSUER, namespace, account, uid, ...claims });
  }

  /** Writes `NAME.kubeconfig` for a user's fields; returns its path. `server` is another way here. */
  async kubeconfig(
    name: string,
    user: Readonly<Record<string, unknown>>,
    { server = this.url, ca = this.files.ca }: { server?: string; ca?: string } = {},
  ): Promise<string> {
    const path = `${this.dir}/${name}.kubeconfig`;
    const lines = Object.entries(user).map(([key, value]) =>
      `    ${key}: ${JSON.stringify(value)}`
    );
    await Deno.writeTextFile(
      path,
      `apiVersion: v1
kind: Config
current-context: lab
contexts:
- name: lab
  context: {cluster: lab, user: ${name}}
clusters:
- name: lab
  cluster:
    server: ${server}
    certificate-authority: ${ca}
users:
- name: ${name}
  user:
${lines.join("\n")}
`,
    );
    return path;
  }

  /** Returns the requests that came so far, the oldest first. */
  async audited(): Promise<AuditedRequest[]> {
    return readAudit(await Deno.readTextFile(`${this.dir}/audit.log`).catch(() => ""));
  }

  /** Ends both servers and removes their folder. Repeatable. */
  async stop(): Promise<void> {
    await this.kill();
    await this.etcd.stop();
    this.#client?.close();
    this.#client = undefined;
    await Deno.remove(this.dir, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  /** Stops, so that `await using` cleans up. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #client: Deno.HttpClient | undefined;

  async #http(): Promise<Deno.HttpClient> {
    const caCerts = [await Deno.readTextFile(this.files.ca)];
    return this.#client ??= Deno.createHttpClient({ caCerts });
  }

  async #isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/readyz`, {
        client: await this.#http(),
        headers: { authorization: `Bearer ${this.adminToken}` },
        signal: hangSignal(2_000),
      });
      await response.body?.cancel();
      return response.ok;
    } catch {
      return false;
    }
  }
}

/** What a test's pod has beside its name. */
export interface PodParts {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ports?: readonly { name: string; containerPort: number; protocol?: string }[];
}

function freePort(hostname: string): number {
  const listener = Deno.listen({ hostname, port: 0 });
  const { port } = listener.addr;
  listener.close();
  return port;
}
