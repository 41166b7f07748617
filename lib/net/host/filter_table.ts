// One table of nftables, by the tool `nft`: installed in one transaction, changed by its elements where that is
// all that differs, and read back to find out whether somebody has changed or flushed it.

import { Fault, faultFrom } from "../../util/errors.ts";
import { runNft } from "./run_nft.ts";
import type { FilterTable } from "./host_stack.ts";

// A packet filter of thousands of services makes each transaction longer.
const LIMIT_MS = 10_000;

/** The table of one driver. */
export class InstalledFilter {
  #installed: FilterTable | undefined;
  /** As `nft` lists it; undefined after a quick change. */
  #listed: string | undefined;

  /**
   * Makes the table as `desired`; with `isFresh`, even if somebody else has changed it. Faults: unavailable (no
   * nft), timeout, failed.
   */
  async ensure(desired: FilterTable, { isFresh }: { readonly isFresh: boolean }): Promise<void> {
    const before = isFresh && await this.hasDrifted() ? undefined : this.#installed;
    await this.#install(desired, before);
    // A set-up does not wait for this.
    if (isFresh) this.#listed ??= await list(desired.name);
  }

  /** Reports whether the table may not be as ensure() left it. Faults: unavailable, timeout, failed. */
  async hasDrifted(): Promise<boolean> {
    if (!this.#installed) return false;
    return this.#listed === undefined || await list(this.#installed.name) !== this.#listed;
  }

  async #install(desired: FilterTable, before: FilterTable | undefined): Promise<void> {
    const script = filterScript(desired, before);
    if (script === "") return;
    this.#installed = undefined;
    this.#listed = undefined;
    if (before) await this.#replace(script, desired);
    else await installAll(script, desired);
    this.#installed = desired;
  }

  async #replace(script: string, desired: FilterTable): Promise<void> {
    try {
      await nft(["-f", "-"], script);
    } catch (error) {
      // Elements cannot be added to a table that was removed meanwhile.
      if (faultFrom(error).code !== "failed") throw error;
      await installAll(filterScript(desired, undefined), desired);
    }
  }

  /** Removes the table of that name; one that does not exist is success. Faults: as ensure(). */
  async remove(name: string): Promise<void> {
    this.#installed = undefined;
    // Adding it before makes that a success.
    for (const each of [name, `${name}-closed`]) {
      if (await list(each) !== undefined) await nft(["-f", "-"], removal(each));
    }
  }
}

/** Runs the script of a whole table. If there is none, what the table decides is closed meanwhile. */
async function installAll(script: string, { name, closed }: FilterTable): Promise<void> {
  if (closed === undefined) return void await nft(["-f", "-"], script);
  const closedName = `${name}-closed`;
  if (await list(name) === undefined) await nft(["-f", "-"], tableText(closedName, closed));
  await nft(["-f", "-"], script);
  // Also one that an agent has left that was killed.
  await nft(["-f", "-"], removal(closedName));
}

/** Returns what `nft -f` has to read to come from `before` to `desired`; empty where they are the same. Pure. */
export function filterScript(desired: FilterTable, before: FilterTable | undefined): string {
  if (!before || before.name !== desired.name || before.definition !== desired.definition) {
    const elements = Object.entries(desired.elements)
      .map(([set, all]) => elementLine("add", desired.name, set, all));
    return `${removal(desired.name)}${tableText(desired.name, desired.definition)}` +
      elements.join("");
  }
  const sets = Object.entries(desired.elements);
  const lines = (verb: "add" | "delete", from: FilterTable, to: FilterTable) =>
    sets.map(([set]) => {
      const present = new Set(from.elements[set] ?? []);
      const missing = (to.elements[set] ?? []).filter((one) => !present.has(one));
      return elementLine(verb, desired.name, set, missing);
    });
  return [...lines("delete", desired, before), ...lines("add", before, desired)].join("");
}

function tableText(name: string, definition: string): string {
  return `table ip ${name} {\n${definition}\n}\n`;
}

function removal(name: string): string {
  return `add table ip ${name}\ndelete table ip ${name}\n`;
}

function elementLine(
  verb: "add" | "delete",
  table: string,
  set: string,
  elements: readonly string[],
): string {
  return elements.length === 0
    ? ""
    : `${verb} element ip ${table} ${set} { ${elements.join(", ")} }\n`;
}

/** Returns the table as `nft` prints it, without counters; undefined where there is none. */
async function list(name: string): Promise<string | undefined> {
  try {
    return await nft(["-s", "list", "table", "ip", name]);
  } catch (error) {
    if (/No such file or directory/.test(faultFrom(error).message)) return undefined;
    throw error;
  }
}

async function nft(args: readonly string[], stdin?: string): Promise<string> {
  try {
    return await runNft(args, { limitMs: LIMIT_MS, ...(stdin !== undefined && { stdin }) });
  } catch (error) {
    const { code, what } = faultFrom(error);
    if (code !== "unavailable" || !what.includes("not installed")) throw error;
    throw new Fault("unavailable", "nft is not installed", {
      why: "networks with a distributed gateway need it",
      fix: "install nftables",
      cause: error,
    });
  }
}
