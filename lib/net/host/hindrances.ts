// What of the host's own may keep packets from or to pods: other tables of nftables that drop what is forwarded,
// a kube-proxy that hides who asks, and a missing way out. Read only.

import { run } from "../../util/run.ts";
import type { Hindrance } from "./host_stack.ts";
import { listChains, type NftChain, rulesOf } from "./nft_rules.ts";
import { parseRoutes } from "./stack_state.ts";

/** Returns them. Faults: unavailable, timeout, failed. */
export async function findHindrances(device: string): Promise<Hindrance[]> {
  const routes = parseRoutes(await run("ip", ["-j", "-4", "route", "show", "default"]));
  const chains = await listChains();
  const found = await Promise.all([
    fullTable(),
    droppingChains(chains, device),
    masqueradesAll(chains, device),
  ]);
  return [...routes.length === 0 ? [NO_WAY_OUT] : [], ...found.flat()];
}

/** From this part on. */
const FULL = 0.9;

const NO_WAY_OUT: Hindrance = {
  what: "this host has no default route: pods reach no further than it does",
  fix: "add one where pods shall reach the outside",
  isOfOutside: true,
};

async function droppingChains(chains: readonly NftChain[], device: string): Promise<Hindrance[]> {
  const found: Hindrance[] = [];
  for (const chain of chains.filter(({ hook }) => hook === "forward")) {
    const isFirewalld = chain.table === "firewalld" && chain.name === "filter_FORWARD";
    if (chain.policy !== "drop" && !isFirewalld) continue;
    const isDocker = chains.some(({ family, table, name }) =>
      family === chain.family && table === chain.table && name === "DOCKER-USER"
    );
    const user = isDocker ? "DOCKER-USER" : chain.name;
    const isAllowed = isFirewalld
      ? await mentions({ ...chain, name: "filter_FORWARD_ZONES" }, device)
      : await mentions(chain, device) || await mentions({ ...chain, name: user }, device);
    if (isAllowed) continue;
    found.push({
      what:
        `${isFirewalld ? "firewalld" : isDocker ? "Docker" : "another packet filter"} drops what ` +
        `this host forwards (chain ${chain.family} ${chain.table} ${chain.name})`,
      fix: isFirewalld
        ? `firewall-cmd --permanent --zone=trusted --add-interface=${device} && firewall-cmd --reload`
        : `iptables -I ${user} -i ${device} -j ACCEPT && iptables -I ${user} -o ${device} -j ACCEPT`,
    });
  }
  return found;
}

/** A full table of connections drops the first packet of each new one. */
async function fullTable(): Promise<Hindrance[]> {
  const keys = ["nf_conntrack_count", "nf_conntrack_max"].map((one) => `net/netfilter/${one}`);
  return nearlyFull(await run("nsenter", ["--", "sysctl", "-e", "-n", ...keys]));
}

/** Returns what to warn of for a number of connections and, in the next line, the highest one. Pure. */
export function nearlyFull(text: string): Hindrance[] {
  const [count = 0, most = 0] = text.split("\n").map(Number);
  if (most === 0 || count < FULL * most) return [];
  return [{
    what: `this host's table of connections is nearly full: ${count} of ${most}`,
    fix: `sysctl -w net.netfilter.nf_conntrack_max=${2 * most}`,
  }];
}

/**
 * kube-proxy's chain of one service shows it: with `--masquerade-all`, it marks whoever asks. Before Kubernetes 1.24,
 * the chain of all services has these rules.
 */
async function masqueradesAll(chains: readonly NftChain[], device: string): Promise<Hindrance[]> {
  const nat = chains.filter(({ family, table }) => family === "ip" && table === "nat");
  const service = nat.find(({ name }) => name.startsWith("KUBE-SVC-"));
  if (!service || !nat.some(({ name }) => name === "KUBE-MARK-MASQ")) return [];
  const all = nat.filter((one) => one === service || one.name === "KUBE-SERVICES");
  const marks = (await Promise.all(all.map(rulesOf))).flat().filter(({ expr }) =>
    JSON.stringify(expr).includes('"KUBE-MARK-MASQ"')
  );
  const hidesAll = marks.some(({ expr }) => !/"(saddr|iifname)"/.test(JSON.stringify(expr)));
  const knowsPods = marks.every(({ expr }) => expr.some((one) => isLinkMatch(one, device)));
  if (!hidesAll && knowsPods) return [];
  const prefix = device.replace(/Host$/, "");
  return [{
    what: `kube-proxy masquerades ${hidesAll ? "all connections" : "those of pods"} to services: ` +
      "policies see the host's address instead of the pod's",
    fix: hidesAll
      ? "start kube-proxy without --masquerade-all"
      : `start kube-proxy with --detect-local-mode=InterfaceNamePrefix ` +
        `--pod-interface-name-prefix=${prefix}`,
  }];
}

/** Reports whether an expression compares the link that packets come by with `device`, or `device`'s prefix. */
function isLinkMatch(expression: unknown, device: string): boolean {
  const name = /"key":"iifname"}},"right":"([^"*]*)(\*?)"/.exec(JSON.stringify(expression));
  if (!name) return false;
  const [, text = "", star] = name;
  return star ? device.startsWith(text) : device === text;
}

async function mentions(chain: NftChain, device: string): Promise<boolean> {
  return (await rulesOf(chain)).some(({ expr }) => JSON.stringify(expr).includes(`"${device}"`));
}
