// What of the host's own packet filter drops the packets of tunnels, which arrive as UDP at one port. Read only.

import type { Hindrance } from "./host_stack.ts";
import { listChains, type NftChain, type NftRule, rulesOf } from "./nft_rules.ts";

const HOOKS: readonly (string | undefined)[] = ["prerouting", "input"];

/** Returns the chains that drop UDP to `port` which arrives by `device`. Faults: unavailable, timeout, failed. */
export async function findTunnelFilters(device: string, port: number): Promise<Hindrance[]> {
  const chains = await listChains();
  const bases = chains.filter(({ family, hook }) =>
    HOOKS.includes(hook) && ["ip", "inet"].includes(family)
  );
  const found = await Promise.all(bases.map(async (base) => {
    const own = await rulesOf(base);
    if (own.some((rule) => isAbout(rule, port) && isDrop(rule))) {
      return [hindrance(base, port, `drops UDP port ${port}`)];
    }
    if (base.policy !== "drop") return [];
    // Rules are often in chains that the base chain jumps to.
    const table = chains.filter(({ family, table }) =>
      family === base.family && table === base.table
    );
    const rules = (await Promise.all(table.map(rulesOf))).flat();
    const isAllowed = rules.some((rule) =>
      !isDrop(rule) && (isAbout(rule, port) || JSON.stringify(rule.expr).includes(`"${device}"`))
    );
    return isAllowed ? [] : [hindrance(base, port, "drops what it does not know")];
  }));
  return found.flat();
}

function hindrance({ family, table, name }: NftChain, port: number, what: string): Hindrance {
  return {
    what: `this host's packet filter ${what} (chain ${family} ${table} ${name}): no tunnel works`,
    fix: `iptables -I INPUT -p udp --dport ${port} -j ACCEPT, or in nftables: nft insert rule ` +
      `${family} ${table} ${name} udp dport ${port} accept`,
  };
}

/** Reports whether a rule compares the destination's port with `port`. */
function isAbout({ expr }: NftRule, port: number): boolean {
  const text = JSON.stringify(expr);
  return text.includes('"dport"') && new RegExp(`[^0-9]${port}[^0-9]`).test(text);
}

function isDrop({ expr }: NftRule): boolean {
  return expr.some((one) => {
    const names = Object.keys(one as Record<string, unknown>);
    return names.includes("drop") || names.includes("reject");
  });
}
