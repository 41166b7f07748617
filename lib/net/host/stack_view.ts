// What the kernel itself says of the host's stack, for people: read when asked, never kept.

import { faultFrom } from "../../util/errors.ts";
import { run } from "../../util/run.ts";
import { runNft } from "./run_nft.ts";
import { type Destination, translationOf } from "./nat_rules.ts";

/** Questions to the kernel. All may fail with unavailable, timeout, failed. */
export interface StackView {
  /** Reports whether the host has that address. */
  isOwn(address: string): Promise<boolean>;
  /** Reports whether a set of a table of family `ip` holds an address; undefined without the table. */
  holds(table: string, set: string, address: string): Promise<boolean | undefined>;
  /** Returns which rule or map translates a destination; undefined without one. */
  translation(destination: Destination): Promise<string | undefined>;
}

/** Returns the view of this host. */
export function openStackView(): StackView {
  return {
    isOwn: async (address) => {
      const text = await run("ip", ["-j", "-4", "route", "show", "table", "local"]);
      const routes = JSON.parse(text) as { type?: string; dst?: string }[];
      return routes.some(({ type, dst }) => type === "local" && dst === address);
    },
    holds: async (table, set, address) => {
      try {
        await runNft(["get", "element", "ip", table, set, `{ ${address} }`]);
        return true;
      } catch (error) {
        if (!/No such file or directory/.test(faultFrom(error).message)) throw error;
        return await hasTable(table) ? false : undefined;
      }
    },
    translation: async (destination) =>
      translationOf(await runNft(["-j", "list", "ruleset", "ip"]), destination),
  };
}

async function hasTable(name: string): Promise<boolean> {
  const { nftables } = JSON.parse(await runNft(["-j", "list", "tables", "ip"])) as {
    nftables: { table?: { name: string } }[];
  };
  return nftables.some(({ table }) => table?.name === name);
}
