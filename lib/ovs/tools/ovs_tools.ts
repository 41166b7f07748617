// ovs-vsctl and ovs-ofctl on one Open vSwitch: always with a time limit and the address of its sockets.

import { Fault } from "../../util/errors.ts";
import { run } from "../../util/run.ts";
import { type RowSelect, selectRows } from "../ovsdb/select.ts";
import { countFlows } from "../openflow/flow_count.ts";
import { ANTISPOOF_COOKIES, type CookieSet } from "../openflow/cookies.ts";
import { type Flow, flowText } from "../openflow/flow.ts";
import { planFlows } from "../openflow/plan_flows.ts";
import type { Columns, TableUpdates } from "../ovsdb/ovsdb_connection.ts";

/** Addresses of one Open vSwitch. */
export interface OvsToolsOptions {
  /** `unix:PATH` of ovsdb-server's socket. */
  readonly ovsdb: string;
  readonly rundir: string;
  readonly bridge: string;
  /** How long flows whose number is unchanged are trusted to be unchanged. @default 25000 */
  readonly trustMs?: number;
}

// Flows that were right and whose number is unchanged are trusted for this long: each change of a pod is
// followed by a reconciliation, and reading all flows is most of its cost. A flow that an operator replaces
// without changing their number is corrected by the first reconciliation after this time.
const TRUST_MS = 25_000;

/** Flows as they were installed, or found, for a set of cookies. */
interface Synced {
  readonly text: string;
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
  async vsctl(more: readonly string[], endMs: number): Promise<string> {
    const args = [`--db=${this.#options.ovsdb}`, "--no-syslog", ...more];
    return await this.#run("ovs-vsctl", args, { endMs });
  }

  /** Runs `ovs-ofctl verb <bridge> …`. Faults: as vsctl. */
  async ofctl(
    verb: string,
    more: readonly string[],
    { endMs, stdin }: { readonly endMs: number; readonly stdin?: string },
  ): Promise<string> {
    const { rundir, bridge } = this.#options;
    const args = [...OFCTL, verb, `unix:${rundir}/${bridge}.mgmt`, ...more];
    return await this.#run("ovs-ofctl", args, { endMs, ...(stdin !== undefined && { stdin }) });
  }

  /** Returns the rows of `tables` as of one moment, as a monitor would. */
  async list(
    tables: Readonly<Record<string, readonly string[]>>,
    endMs: number,
  ): Promise<TableUpdates> {
    const args = Object.entries(tables).flatMap(([table, columns]) => [
      "--",
      `--columns=${["_uuid", ...columns].join(",")}`,
      "list",
      table,
    ]);
    const text = await this.vsctl(["--no-wait", "--format=json", ...args], endMs);
    const lines = text.split("\n").filter(Boolean);
    return Object.fromEntries(
      Object.keys(tables).map((table, index) => [table, rowsFrom(lines[index] ?? "")]),
    );
  }

  /** Returns the rows of each of `selects`, as of one moment. Faults: unavailable, timeout, failed. */
  select(selects: readonly RowSelect[], endMs: number): Promise<Columns[][]> {
    return selectRows(this.#options.ovsdb, selects, endMs);
  }

  /**
   * Makes changes of planFlows() in one bundle: all or none. Without a change there is no call. Ports and
   * tables are numbers there: for names, ovs-ofctl would first request the features of all tables, 5 MB.
   */
  async changeFlows(changes: readonly string[], endMs: number): Promise<void> {
    if (changes.length === 0) return;
    await this.ofctl("add-flows", ["--bundle", "--no-names", "-"], {
      endMs,
      stdin: `${changes.join("\n")}\n`,
    });
  }

  /** Makes the anti-spoofing flows exactly `desired`, except those under a cookie that `isKept`. */
  async syncFlows(
    desired: readonly Flow[],
    { endMs, isKept }: { readonly endMs: number; readonly isKept: (cookie: bigint) => boolean },
  ): Promise<void> {
    await this.syncFlowTexts(desired.map(flowText), { endMs, isKept, cookies: ANTISPOOF_COOKIES });
  }

  /**
   * Makes the flows under `cookies` exactly `desired`, in the text that flowText() writes. Returns the flows that
   * this removed or replaced.
   */
  async syncFlowTexts(
    desired: readonly string[],
    { endMs, cookies, isKept = () => false }: {
      readonly endMs: number;
      readonly cookies: CookieSet;
      readonly isKept?: (cookie: bigint) => boolean;
    },
  ): Promise<string[]> {
    const ours = cookieText(cookies);
    const wanted = desired.join("\n");
    if (await this.#isTrusted(ours, wanted, { count: desired.length, cookies, endMs })) return [];
    const existing = (await this.flowTexts(cookies, endMs))
      .filter((line) => !isKept(BigInt(line.slice("cookie=".length, line.indexOf(",")))));
    return await this.replaceFlowTexts(existing, desired, { endMs, cookies });
  }

  /** As syncFlowTexts(), where it is known that the flows are `existing`: they are not asked for. */
  async replaceFlowTexts(
    existing: readonly string[],
    desired: readonly string[],
    { endMs, cookies }: { readonly endMs: number; readonly cookies: CookieSet },
  ): Promise<string[]> {
    const ours = cookieText(cookies);
    this.#synced.delete(ours);
    const atMs = performance.now();
    await this.changeFlows(planFlows(existing, desired), endMs);
    this.#synced.set(ours, { text: desired.join("\n"), atMs });
    const kept = new Set(desired);
    return existing.filter((flow) => !kept.has(flow));
  }

  /** Returns the flows under `cookies`, in the text that flowText() writes. */
  async flowTexts(cookies: CookieSet, endMs: number): Promise<string[]> {
    const args = ["--no-stats", "--no-names", cookieText(cookies)];
    const dump = await this.ofctl("dump-flows", args, { endMs });
    return dump.split("\n").map((line) => line.trim())
      .filter((line) => line.startsWith("cookie="));
  }

  /** Reports whether flows are as desired, as far as their number and the last sync show. */
  async #isTrusted(
    ours: string,
    text: string,
    { count, cookies, endMs }: {
      readonly count: number;
      readonly cookies: CookieSet;
      readonly endMs: number;
    },
  ): Promise<boolean> {
    const { rundir, bridge, trustMs = TRUST_MS } = this.#options;
    const synced = this.#synced.get(ours);
    if (synced?.text !== text || performance.now() - synced.atMs > trustMs) return false;
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

  // The only place that knows the error messages of these tools.
  #translated(command: string, error: unknown): unknown {
    if (!(error instanceof Fault) || error.code !== "failed") return error;
    const message = error.why ?? "";
    const cause = error;
    if (/Alarm clock/.test(message)) {
      const fix = "check that ovs-vswitchd and ovsdb-server are running";
      return new Fault("timeout", `${command} did not answer in time`, { fix, cause });
    }
    if (
      /database connection failed|connecting to unix:|failed to connect to socket/.test(message)
    ) {
      const { ovsdb, rundir, bridge } = this.#options;
      const [place, more] = command === "ovs-vsctl"
        ? [ovsdb, ""]
        : [rundir, `; if it runs, see its log for why it has no bridge ${bridge}`];
      const what = `Open vSwitch does not answer ${command} at ${place}`;
      return new Fault("unavailable", what, { fix: `start Open vSwitch${more}`, cause });
    }
    return error;
  }
}

function cookieText({ value, mask }: CookieSet): string {
  const hex = (number: bigint) => `0x${BigInt.asUintN(64, number).toString(16)}`;
  return `cookie=${hex(value)}/${hex(mask)}`;
}

function rowsFrom(line: string): TableUpdates[string] {
  if (line === "") return {};
  const { headings, data } = JSON.parse(line) as { headings: string[]; data: unknown[][] };
  return Object.fromEntries(data.map((cells) => {
    const row: Columns = Object.fromEntries(headings.map((name, index) => [name, cells[index]]));
    return [(row._uuid as [string, string])[1], { new: row }];
  }));
}
