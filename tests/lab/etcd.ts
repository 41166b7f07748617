// A private etcd of one or more members: plain or TLS, with or without passwords, with etcdctl as a
// reader that shares no code with ours. Each member can be killed, frozen and started again.

import { run } from "./run.ts";
import { type Certificates, makeCertificates } from "./etcd_files.ts";
import { freezeProcess } from "./freeze.ts";
import { type Server, startServer } from "./server.ts";
import { waitFor } from "./wait.ts";

/** Where and how an etcd runs. */
export interface EtcdOptions {
  /** @default 1 */
  readonly members?: number;
  /** IP address of all members. @default "127.0.0.1" */
  readonly address?: string;
  /** Member i serves clients at `port` + 2i and its peers at the port above; free ones by default. */
  readonly port?: number;
  /** Named network namespace to run in; the caller's own when absent. */
  readonly netns?: string;
  /** `server`: TLS. `mutual`: TLS, and clients must show a certificate. @default "none" */
  readonly tls?: "none" | "server" | "mutual";
  /** The server's certificate is not for use as a client: breaks etcd's own JSON gateway. */
  readonly serverUseOnly?: boolean;
  /** Certificates to use instead of new ones: those of another lab's etcd. */
  readonly certificates?: Certificates;
  /** Turns etcd's users on, with this password for user `root`. */
  readonly password?: string;
  /** More flags of etcd. */
  readonly flags?: readonly string[];
}

/** Starts an etcd in `dir` (made new, removed in the end) and returns it when it serves. */
export async function startEtcd(dir: string, options: EtcdOptions = {}): Promise<Etcd> {
  await Deno.mkdir(dir, { recursive: true });
  const { members = 1, address = "127.0.0.1", tls = "none", serverUseOnly = false } = options;
  const ports = options.port === undefined
    ? freePorts(2 * members, address)
    : Array.from({ length: 2 * members }, (_, at) => options.port! + at);
  const certificates = tls === "none"
    ? undefined
    : options.certificates ?? await makeCertificates(dir, { address, user: "root", serverUseOnly });
  const etcd = new Etcd(dir, { ...options, address, tls }, ports, certificates);
  try {
    await etcd.startAll();
    if (options.password !== undefined) await etcd.enablePasswords(options.password);
    return etcd;
  } catch (error) {
    await etcd.stop();
    throw error;
  }
}

type Settings = EtcdOptions & Required<Pick<EtcdOptions, "address" | "tls">>;

/** A running etcd. Members are named by number, from 0. */
export class Etcd implements AsyncDisposable {
  readonly dir: string;
  /** `ADDRESS:PORT` of each member. */
  readonly endpoints: readonly string[];
  /** Paths of the certificates, undefined without TLS. */
  readonly certificates: Certificates | undefined;
  /** Holds root's password, once there is one. */
  readonly passwordFile: string;
  readonly #settings: Settings;
  readonly #peers: readonly string[];
  readonly #servers: (Server | undefined)[] = [];
  #password: string | undefined;

  /** Names the places of an etcd; `startEtcd` is what starts one. */
  constructor(dir: string, settings: Settings, ports: readonly number[], files?: Certificates) {
    this.dir = dir;
    this.#settings = settings;
    this.certificates = files;
    this.passwordFile = `${dir}/password`;
    const places = ports.map((port) => `${settings.address}:${port}`);
    this.endpoints = places.filter((_, at) => at % 2 === 0);
    this.#peers = places.filter((_, at) => at % 2 === 1);
  }

  /** What `--store` takes, with `prefix` (begins with a slash) behind the members. */
  url(prefix = ""): string {
    const scheme = this.certificates ? "etcds" : "etcd";
    return `${scheme}://${this.endpoints.join(",")}${prefix}`;
  }

  /** Starts what is down of all members and returns when a write would be done. */
  async startAll(): Promise<void> {
    await Promise.all(this.endpoints.map((_, member) => this.start(member)));
    await this.isHealthy();
  }

  /** Starts `member` if it is down; returns when its port is open, which may be before it serves. */
  async start(member: number): Promise<void> {
    if (this.#servers[member]) return;
    const place = this.endpoints[member]!;
    this.#servers[member] = await startServer({
      command: "etcd",
      args: this.#args(member),
      netns: this.#settings.netns,
      log: `${this.dir}/member${member}.log`,
      isUp: () => this.#isOpen(place),
    });
  }

  /** Kills `member` with SIGKILL; its data stay. */
  async kill(member = 0): Promise<void> {
    await this.#servers[member]?.kill();
    this.#servers[member] = undefined;
  }

  /** Kills `member` and starts it again; returns when the cluster serves. */
  async restart(member = 0): Promise<void> {
    await this.kill(member);
    await this.start(member);
    await this.isHealthy();
  }

  /** Kills all members and starts them with nothing: a history that begins anew. */
  async forget(): Promise<void> {
    await Promise.all(this.endpoints.map((_, member) => this.kill(member)));
    for (const member of this.endpoints.keys()) {
      await Deno.remove(`${this.dir}/member${member}`, { recursive: true });
    }
    await this.startAll();
  }

  /** Kills all members and starts them with what `etcdctl snapshot save` has written to `file`: a cluster of its own. */
  async restore(file: string): Promise<void> {
    await Promise.all(this.endpoints.map((_, member) => this.kill(member)));
    for (const member of this.endpoints.keys()) {
      await Deno.remove(`${this.dir}/member${member}`, { recursive: true });
      await run("etcdctl", [
        ...["snapshot", "restore", file, "--data-dir", `${this.dir}/member${member}`],
        ...["--name", `member${member}`, "--initial-cluster", this.#initialCluster()],
        ...["--initial-advertise-peer-urls", `http://${this.#peers[member]}`],
      ], { limitMs: 30_000 });
    }
    await this.startAll();
  }

  #initialCluster(): string {
    return this.#peers.map((place, at) => `member${at}=http://${place}`).join(",");
  }

  /** Stops `member` where it stands, by SIGSTOP: it takes connections and never answers. */
  freeze(member = 0): void {
    const server = this.#servers[member];
    if (server) freezeProcess(server.pid);
  }

  /** Lets a frozen member go on. */
  thaw(member = 0): void {
    const server = this.#servers[member];
    if (server) Deno.kill(server.pid, "SIGCONT");
  }

  /** Returns when all members that should run serve; throws when they do not in time. */
  async isHealthy(limitMs = 15_000): Promise<void> {
    const up = this.endpoints.filter((_, member) => this.#servers[member] !== undefined);
    const look = () => this.ctlAt(up, "endpoint", "health").then(() => true, () => false);
    await waitFor("etcd to be healthy", look, { limitMs });
  }

  /** Runs etcdctl with `words` on all members that run; returns its output. */
  ctl(...words: string[]): Promise<string> {
    const up = this.endpoints.filter((_, member) => this.#servers[member] !== undefined);
    return this.ctlAt(up, ...words);
  }

  /** Runs etcdctl with `words` on the members at `endpoints`; returns its output. */
  ctlAt(endpoints: readonly string[], ...words: string[]): Promise<string> {
    return this.#ctlNow(endpoints, words);
  }

  /** Writes `pairs`, at most 128, in one transaction, as etcdctl does. */
  async write(pairs: ReadonlyMap<string, string>): Promise<void> {
    const puts = [...pairs].map(([key, value]) => `put ${key} ${JSON.stringify(value)}\n`);
    // No comparison, what to do, and nothing otherwise.
    await this.#ctlNow(this.endpoints, ["txn"], `\n${puts.join("")}\n\n`);
  }

  #ctlNow(endpoints: readonly string[], words: readonly string[], stdin?: string): Promise<string> {
    const { netns } = this.#settings;
    const command = [
      "etcdctl",
      `--endpoints=${endpoints.join(",")}`,
      "--command-timeout=5s",
      ...this.#ctlFiles(),
      ...this.#password === undefined ? [] : [`--user=root:${this.#password}`],
      ...words,
    ];
    const inside = netns === undefined ? [] : ["nsenter", `--net=/run/netns/${netns}`, "--"];
    const [first, ...rest] = [...inside, ...command];
    return run(first!, rest, { limitMs: 10_000, ...(stdin !== undefined && { stdin }) });
  }

  /** Returns what etcd's keys below `prefix` hold, as etcdctl reads them. */
  async read(prefix: string): Promise<Map<string, string>> {
    const answer = JSON.parse(await this.ctl("get", "--prefix", prefix, "-w", "json"));
    const pairs: { key: string; value?: string }[] = answer.kvs ?? [];
    return new Map(pairs.map(({ key, value = "" }) => [fromBase64(key), fromBase64(value)]));
  }

  /** Returns the cluster's revision as etcdctl reports it. */
  async revision(): Promise<number> {
    return JSON.parse(await this.ctl("get", "none", "-w", "json")).header.revision;
  }

  /** Forgets the history before `revision`, the newest by default. */
  async compact(revision?: number): Promise<void> {
    await this.ctl("compact", String(revision ?? await this.revision()));
  }

  /** Makes user `root` with `password` and turns etcd's users on. */
  async enablePasswords(password: string): Promise<void> {
    await this.ctl("user", "add", `root:${password}`);
    await this.ctl("user", "grant-role", "root", "root");
    await this.ctl("auth", "enable");
    this.#password = password;
    await Deno.writeTextFile(this.passwordFile, `${password}\n`, { mode: 0o600 });
  }

  /** Ends all members by their pids and removes their folder. Repeatable. */
  async stop(): Promise<void> {
    await Promise.all(this.endpoints.map((_, member) => this.kill(member)));
    await Deno.remove(this.dir, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }

  /** Stops, so that `await using` cleans up. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #args(member: number): string[] {
    const { certificates, dir } = this;
    const scheme = certificates ? "https" : "http";
    const [client, peer] = [this.endpoints[member]!, this.#peers[member]!];
    // Faster than etcd's own 100 and 1000: a lost leader is replaced within a second. One member
    // alone has no other to wait for.
    const [heartbeat, election] = this.endpoints.length > 1 ? ["50", "500"] : ["10", "100"];
    return [
      ...["--name", `member${member}`, "--data-dir", `${dir}/member${member}`],
      ...["--listen-client-urls", `${scheme}://${client}`],
      ...["--advertise-client-urls", `${scheme}://${client}`],
      ...[
        "--listen-peer-urls",
        `http://${peer}`,
        "--initial-advertise-peer-urls",
        `http://${peer}`,
      ],
      ...["--initial-cluster", this.#initialCluster(), "--initial-cluster-token", dir],
      ...["--heartbeat-interval", heartbeat, "--election-timeout", election],
      // The lowest that there is: a login costs a millisecond, not a hundred.
      ...["--bcrypt-cost", "4", "--log-level", "warn"],
      ...this.#serverFiles(),
      ...this.#settings.flags ?? [],
    ];
  }

  #serverFiles(): string[] {
    const { certificates: files } = this;
    if (!files) return [];
    const own = ["--cert-file", files.serverCert, "--key-file", files.serverKey];
    const mutual = ["--client-cert-auth", "--trusted-ca-file", files.ca];
    return this.#settings.tls === "mutual" ? [...own, ...mutual] : own;
  }

  #ctlFiles(): string[] {
    const { certificates: files } = this;
    if (!files) return [];
    const own = [`--cert=${files.clientCert}`, `--key=${files.clientKey}`];
    return [`--cacert=${files.ca}`, ...this.#settings.tls === "mutual" ? own : []];
  }

  async #isOpen(place: string): Promise<boolean> {
    const { netns } = this.#settings;
    const [hostname = "", port] = place.split(":");
    if (netns !== undefined) {
      const look = ["ss", "-Hltn", "src", `${hostname}:${port}`];
      return await run("nsenter", [`--net=/run/netns/${netns}`, "--", ...look]) !== "";
    }
    try {
      (await Deno.connect({ hostname, port: Number(port) })).close();
      return true;
    } catch {
      return false;
    }
  }
}

// All are held at once, so that none is given twice.
export function freePorts(count: number, hostname: string): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname, port: 0 }));
  const ports = listeners.map(({ addr }) => addr.port);
  for (const listener of listeners) listener.close();
  return ports;
}

function fromBase64(text: string): string {
  return new TextDecoder().decode(Uint8Array.fromBase64(text));
}
