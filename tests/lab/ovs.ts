// A private Open vSwitch: ovsdb-server and ovs-vswitchd with the userspace datapath, in the
// namespaces of the caller or in a named one. Many can run side by side, each in its own folder.

import { run } from "./run.ts";
import { isListening, type Server, startServer } from "./server.ts";
import { waitFor } from "./wait.ts";

const SCHEMA = "/usr/share/openvswitch/vswitch.ovsschema";

/** Where and how an Open vSwitch runs. */
export interface OvsOptions {
  /** Named network namespace to run in; the caller's own when absent. */
  readonly netns?: string;
  /** Control socket `ovs-vswitchd.<pid>.ctl` as distributions have it, or `ovs-vswitchd.ctl`. @default "pid" */
  readonly ctl?: "pid" | "plain";
  /** It offers the kernel's datapath, as a distribution's does, whether or not the kernel has it. @default false */
  readonly offersSystem?: boolean;
}

/** Starts an Open vSwitch in `dir` (made if missing; a database there is kept) and returns it when it works. */
export async function startOvs(dir: string, options: OvsOptions = {}): Promise<Ovs> {
  await Deno.mkdir(dir, { recursive: true });
  const ovs = new Ovs(dir, options);
  try {
    if (!await exists(ovs.dbFile)) await run("ovsdb-tool", ["create", ovs.dbFile, SCHEMA]);
    await ovs.startOvsdb();
    await ovs.vsctl("--no-wait", "init");
    await ovs.startVswitchd();
    return ovs;
  } catch (error) {
    await ovs.stop();
    throw error;
  }
}

/** A running Open vSwitch; its two servers can be killed and started apart from each other. */
export class Ovs implements AsyncDisposable {
  /** Folder of the sockets, pid files, logs and the database: what `--ovs-rundir` wants. */
  readonly rundir: string;
  /** Path of the database's socket. */
  readonly dbSocket: string;
  /** The same as OVSDB address, what `--ovsdb` wants. */
  readonly db: string;
  readonly dbFile: string;
  readonly netns: string | undefined;
  readonly #ctl: "pid" | "plain";
  readonly #offersSystem: boolean;
  #ovsdb: Server | undefined;
  #vswitchd: Server | undefined;

  /** Names the places of an Open vSwitch; `startOvs` is what starts one. */
  constructor(
    dir: string,
    { netns, ctl = "pid", offersSystem = false }: OvsOptions = {},
  ) {
    this.rundir = dir;
    this.dbSocket = `${dir}/db.sock`;
    this.db = `unix:${this.dbSocket}`;
    this.dbFile = `${dir}/conf.db`;
    this.netns = netns;
    this.#ctl = ctl;
    this.#offersSystem = offersSystem;
  }

  /** Process id of ovs-vswitchd, undefined while it is down. */
  get vswitchdPid(): number | undefined {
    return this.#vswitchd?.pid;
  }

  /** Process id of ovsdb-server, undefined while it is down. */
  get ovsdbPid(): number | undefined {
    return this.#ovsdb?.pid;
  }

  /** Starts ovsdb-server and returns when it accepts connections. */
  async startOvsdb(): Promise<void> {
    this.#ovsdb ??= await this.#start("ovsdb-server", [
      this.dbFile,
      `--remote=punix:${this.dbSocket}`,
      `--unixctl=${this.rundir}/ovsdb-server.ctl`,
    ], () => isListening(this.dbSocket));
  }

  /** Starts ovs-vswitchd and returns when it has taken over what the database wants. */
  async startVswitchd(): Promise<void> {
    if (this.#vswitchd) return;
    const plain = this.#ctl === "plain";
    this.#vswitchd = await this.#start(
      "ovs-vswitchd",
      [
        this.db,
        ...this.#offersSystem ? [] : ["--disable-system"],
        ...plain ? [`--unixctl=${this.#plainCtl}`] : [],
      ],
      async () => isListening(await this.#findCtl()),
    );
    // Waits until ovs-vswitchd has seen this very change.
    await this.vsctl("set", "Open_vSwitch", ".", `external_ids:lab-start=${crypto.randomUUID()}`);
  }

  /** Kills ovs-vswitchd with SIGKILL; the database stays. */
  async killVswitchd(): Promise<void> {
    await this.#vswitchd?.kill();
    this.#vswitchd = undefined;
  }

  /** Ends ovs-vswitchd in order, as a package's upgrade would. */
  async stopVswitchd(): Promise<void> {
    await this.#vswitchd?.stop();
    this.#vswitchd = undefined;
  }

  /** Kills ovsdb-server with SIGKILL. */
  async killOvsdb(): Promise<void> {
    await this.#ovsdb?.kill();
    this.#ovsdb = undefined;
  }

  /** Ends both by their pids. Repeatable. */
  async stop(): Promise<void> {
    await this.stopVswitchd();
    await this.#ovsdb?.stop();
    this.#ovsdb = undefined;
  }

  /** Stops, so that `await using` cleans up. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  /** Runs ovs-vsctl with `words` on this database; returns its output. */
  vsctl(...words: string[]): Promise<string> {
    return run("ovs-vsctl", [`--db=${this.db}`, "--timeout=10", ...words], { limitMs: 15_000 });
  }

  /** Runs `ovs-ofctl verb <bridge> …` on a bridge of this switch; returns its output. */
  ofctl(verb: string, bridge: string, ...words: string[]): Promise<string> {
    const target = `unix:${this.rundir}/${bridge}.mgmt`;
    return run("ovs-ofctl", ["--timeout=10", verb, target, ...words], { limitMs: 15_000 });
  }

  /** Runs ovs-appctl with `words` on ovs-vswitchd; returns its output. */
  async appctl(...words: string[]): Promise<string> {
    const target = await this.#findCtl();
    return run("ovs-appctl", ["--timeout=10", "-t", target, ...words], { limitMs: 15_000 });
  }

  get #plainCtl(): string {
    return `${this.rundir}/ovs-vswitchd.ctl`;
  }

  async #findCtl(): Promise<string> {
    if (this.#ctl === "plain") return this.#plainCtl;
    const pid = await Deno.readTextFile(`${this.rundir}/ovs-vswitchd.pid`).catch(() => "none");
    return `${this.rundir}/ovs-vswitchd.${pid.trim()}.ctl`;
  }

  async #start(
    command: string,
    args: readonly string[],
    isUp: () => Promise<boolean>,
  ): Promise<Server> {
    const { rundir, netns } = this;
    return await startServer({
      command,
      args: [...args, `--pidfile=${rundir}/${command}.pid`, "-vconsole:info", "-vfile:off"],
      env: {
        OVS_RUNDIR: rundir,
        OVS_LOGDIR: rundir,
        OVS_DBDIR: rundir,
        OVS_SYSCONFDIR: rundir,
      },
      netns,
      log: `${rundir}/${command}.log`,
      isUp,
    });
  }
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

/** Waits until `bridge` of `ovs` answers OpenFlow. */
export async function bridgeIsUp(ovs: Ovs, bridge: string): Promise<void> {
  const socket = `${ovs.rundir}/${bridge}.mgmt`;
  await waitFor(`bridge ${bridge} to answer`, () => isListening(socket));
}
