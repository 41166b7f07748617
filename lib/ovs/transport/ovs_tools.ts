// ovs-vsctl and ovs-ofctl on one Open vSwitch: always with a limit, always told where it is.

import { Fault } from "../../util/errors.ts";
import { run } from "../../util/run.ts";
import { type Ask, selectRows } from "../ovsdb/select.ts";
import { countFlows } from "../openflow/flow_count.ts";
import { ANTISPOOF_COOKIES, type CookieSet } from "../openflow/cookies.ts";
import { type Flow, flowText } from "../openflow/flow.ts";
import { planFlows } from "../openflow/plan_flows.ts";
import type { Columns, TableUpdates } from "../ovsdb/ovsdb_connection.ts";

/** Where the tools find this Open vSwitch. */
export interface OvsToolsOptions {
  /** `unix:PATH` of ovsdb-server's socket. */
  readonly ovsdb: string;
  readonly rundir: string;
  readonly bridge: string;
  /** For so long flows that are as many as they were are taken for the same. @default 25000 */
  readonly sureMs?: number;
}

// For so long flows that were right, and are as many, are taken for the same: a look comes with each
// change of a pod, and reading all flows is most of what it costs. Who exchanges a flow by hand without
// changing their number waits so long for its correction, and for the look after that.
const SURE_MS = 25_000;

/** Flows as they were made, or found, for a set of cookies. */
interface Synced {
  readonly words: string;
  readonly atMs: number;
}

// OpenFlow 1.4 is the first with bundles.
const OFCTL = ["-OOpenFlow14"];

/** The two commands on one bridge. */
export class OvsTools {
  readonly #options: OvsToolsOptions;
  readonly #synced = new Map<string, Synced>();

  constructor(options: OvsToolsOptions) {
    this.#options = options;
  }

  /** Runs ovs-vsctl. Faults: timeout, unavailable when the database does not answer, failed. */
  async vsctl(words: readonly string[], endMs: number): Promise<string> {
    const args = [`--db=${this.#options.ovsdb}`, "--no-syslog", ...words];
    return await this.#run("ovs-vsctl", args, { endMs });
  }

  /** Runs `ovs-ofctl verb <bridge> …`. Faults: as vsctl. */
  async ofctl(
    verb: string,
    words: readonly string[],
    { endMs, stdin }: { readonly endMs: number; readonly stdin?: string },
  ): Promise<string> {
    const { rundir, bridge } = this.#options;
    const args = [...OFCTL, verb, `unix:${rundir}/${bridge}.mgmt`, ...words];
    return await this.#run("ovs-ofctl", args, { endMs, ...(stdin !== undefined && { stdin }) });
  }

  /** Returns the rows of `tables` in one look, as a monitor would. */
  async list(
    tables: Readonly<Record<string, readonly string[]>>,
    endMs: number,
  ): Promise<TableUpdates> {
    const words = Object.entries(tables).flatMap(([table, columns]) => [
      "--",
      `--columns=${["_uuid", ...columns].join(",")}`,
      "list",
      table,
    ]);
    const text = await this.vsctl(["--no-wait", "--format=json", ...words], endMs);
    const lines = text.split("\n").filter(Boolean);
    return Object.fromEntries(
      Object.keys(tables).map((table, index) => [table, rowsFrom(lines[index] ?? "")]),
    );
  }

  /** Returns the rows that each of `asks` means, in one look. Faults: unavailable, timeout, failed. */
  ask(asks: readonly Ask[], endMs: number): Promise<Columns[][]> {
    return selectRows(this.#options.ovsdb, asks, endMs);
  }

  /**
   * Sends lines as `planFlows` gives them in one bundle: all or none. No line, no call. Ports and tables
   * are numbers there: to take names, ovs-ofctl would first ask for the features of all tables, 5 MB.
   */
  async changeFlows(lines: readonly string[], endMs: number): Promise<void> {
    if (lines.length === 0) return;
    await this.ofctl("add-flows", ["--bundle", "--no-names", "-"], {
      endMs,
      stdin: `${lines.join("\n")}\n`,
    });
  }

  /** Makes our guard flows exactly `want`, but for those under a cookie that `isKept`. */
  async syncFlows(
    want: readonly Flow[],
    { endMs, isKept }: { readonly endMs: number; readonly isKept: (cookie: bigint) => boolean },
  ): Promise<void> {
    await this.syncLines(want.map(flowText), { endMs, isKept, cookies: ANTISPOOF_COOKIES });
  }

  /** Makes the flows under `cookies` exactly the lines `want`, written as flowText writes them. */
  async syncLines(
    want: readonly string[],
    { endMs, cookies, isKept = () => false }: {
      readonly endMs: number;
      readonly cookies: CookieSet;
      readonly isKept?: (cookie: bigint) => boolean;
    },
  ): Promise<void> {
    const hex = (value: bigint) => `0x${value.toString(16)}`;
    const ours = `cookie=${hex(cookies.value)}/${hex(cookies.mask)}`;
    const words = want.join("\n");
    if (await this.#isSure(ours, words, { count: want.length, cookies, endMs })) return;
    this.#synced.delete(ours);
    const atMs = performance.now();
    const text = await this.ofctl("dump-flows", ["--no-stats", "--no-names", ours], { endMs });
    const have = text.split("\n").map((line) => line.trim())
      .filter((line) => line.startsWith("cookie="))
      .filter((line) => !isKept(BigInt(line.slice("cookie=".length, line.indexOf(",")))));
    await this.changeFlows(planFlows(have, want), endMs);
    this.#synced.set(ours, { words, atMs });
  }

  /** Reports whether flows are as wanted by all that can be known without reading them. */
  async #isSure(
    ours: string,
    words: string,
    { count, cookies, endMs }: {
      readonly count: number;
      readonly cookies: CookieSet;
      readonly endMs: number;
    },
  ): Promise<boolean> {
    const { rundir, bridge, sureMs = SURE_MS } = this.#options;
    const synced = this.#synced.get(ours);
    if (synced?.words !== words || performance.now() - synced.atMs > sureMs) return false;
    const [counted] = await countFlows(`${rundir}/${bridge}.mgmt`, [cookies], endMs) ?? [];
    return counted === count;
  }

  async #run(
    command: string,
    args: readonly string[],
    { endMs, stdin }: { readonly endMs: number; readonly stdin?: string },
  ): Promise<string> {
    const limitMs = Math.max(1, endMs - performance.now());
    // The tool's own limit lets it clean up; ours, a little later, is for a tool that hangs.
    const seconds = Math.max(1, Math.floor(limitMs / 1_000));
    try {
      return await run(command, [`--timeout=${seconds}`, ...args], {
        limitMs: seconds * 1_000 + 500,
        ...(stdin !== undefined && { stdin }),
      });
    } catch (error) {
      throw this.#translated(command, error);
    }
  }

  // The one place that knows these tools' words.
  #translated(command: string, error: unknown): unknown {
    if (!(error instanceof Fault) || error.code !== "failed") return error;
    const words = error.why ?? "";
    const cause = error;
    if (/Alarm clock/.test(words)) {
      const fix = "see whether ovs-vswitchd and ovsdb-server are running";
      return new Fault("timeout", `${command} gave no answer in time`, { fix, cause });
    }
    if (/database connection failed|connecting to unix:|failed to connect to socket/.test(words)) {
      const { ovsdb, rundir, bridge } = this.#options;
      const [place, more] = command === "ovs-vsctl"
        ? [ovsdb, ""]
        : [rundir, `; if it runs, its log says why it has no bridge ${bridge}`];
      const what = `Open vSwitch does not answer ${command} at ${place}`;
      return new Fault("unavailable", what, { fix: `start Open vSwitch${more}`, cause });
    }
    return error;
  }
}

function rowsFrom(line: string): TableUpdates[string] {
  if (line === "") return {};
  const { headings, data } = JSON.parse(line) as { headings: string[]; data: unknown[][] };
  return Object.fromEntries(data.map((cells) => {
    const row: Columns = Object.fromEntries(headings.map((name, index) => [name, cells[index]]));
    return [(row._uuid as [string, string])[1], { new: row }];
  }));
}
