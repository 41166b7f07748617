// `ipam show|check`: usage of the address pools, and whether records and claims agree.

import type { Difference, PoolUse } from "../intent/audit.ts";
import { Fault } from "../util/errors.ts";
import { printValue, table } from "./output.ts";
import type { Command, Shell } from "./shell.ts";
import { isAddressWord, showAddress } from "./show_address.ts";
import { wrongWords } from "./wrong_words.ts";

export const ipam: Command = {
  usage:
    "ipam show [[TENANT/]NETWORK | ADDRESS] | check [--repair [--dry-run]] [-o table|json|yaml|name]\n" +
    "  show: usage of each network's pool, and the addresses held for pods that may come back; of a network\n" +
    "  by its name alone, if one tenant alone has it; of an ADDRESS, who has it, as why ADDRESS;\n" +
    "  check: compares every claim with the record that owns it, lists the differences, and exits with 1\n" +
    "  if there are any; --repair releases claims without a record and rebuilds missing ones, each after\n" +
    "  a second check; what a pod has at this moment is kept\n" +
    "  e.g. k8contivnet ipam show tenant-one/orange",
  run: async (shell) => {
    const [word, name, ...rest] = shell.args;
    if (word === "show" && rest.length === 0) {
      return await (name !== undefined && isAddressWord(name)
        ? showAddress(shell, name)
        : show(shell, name));
    }
    const isCheck = word === "check" && name === undefined;
    if (isCheck) return await (shell.options.repair ? repair(shell) : check(shell));
    throw wrongWords("ipam", shell.args, {
      takes: "show [[TENANT/]NETWORK | ADDRESS], or check",
      fix: "k8contivnet ipam show",
    });
  },
};

/** Prints the pools, of one network or all, and their held addresses. */
async function show(shell: Shell, name: string | undefined): Promise<void> {
  const { target, options, output } = shell;
  const pools = await target.list("pools") as unknown as readonly PoolUse[];
  const wanted = name === undefined ? pools : [poolOf(pools, name)];
  if (await printValue(shell, wanted)) return;
  if (options.format === "name") return wanted.forEach((pool) => output.data(nameOf(pool)));
  const rows = wanted.map((pool) => [
    nameOf(pool),
    pool.subnet,
    ...[pool.size, pool.used, pool.held.length, pool.free].map(String),
  ]);
  output.data(table(["NETWORK", "SUBNET", "SIZE", "USED", "HELD", "FREE"], rows));
  const held = wanted.flatMap((pool) =>
    pool.held.map(({ address, pod, until }) => [nameOf(pool), address, pod, until])
  );
  if (held.length > 0) {
    output.data(`\n${table(["NETWORK", "HELD ADDRESS", "FOR POD", "UNTIL"], held)}`);
  }
}

function nameOf({ tenant, network }: PoolUse): string {
  return `${tenant}/${network}`;
}

/** Returns the pool of a network: the tenant may be left out where one alone has it. Faults: not_found. */
function poolOf(pools: readonly PoolUse[], name: string): PoolUse {
  const found = pools.filter((pool) => nameOf(pool) === name || pool.network === name);
  const [only, ...others] = found;
  if (only && others.length === 0) return only;
  const what = name.slice(0, 60);
  if (!only) {
    const fix = "see k8contivnet ipam show";
    throw new Fault("not_found", `network "${what}" not found`, { fix });
  }
  throw new Fault("not_found", `network "${what}" is ambiguous`, {
    why: `${found.length} tenants have one of that name`,
    fix: `did you mean ${found.map(nameOf).join(", ")}?`,
  });
}

/** Prints the differences. Faults: failed, if there are any. */
async function check(shell: Shell): Promise<void> {
  const { target, options, output } = shell;
  const found = await target.list("differences") as unknown as readonly Difference[];
  const isPrinted = await printValue(shell, found);
  if (options.format === "name") found.forEach(({ name }) => output.data(name));
  else if (!isPrinted && found.length > 0) {
    output.data(table(["RECORD", "WHY"], found.map(({ name, why }) => [name, why])));
  }
  if (found.length === 0) return output.note("records and claims agree");
  throw new Fault("failed", `${found.length} differences between records and claims`, {
    fix: "k8contivnet ipam check --repair",
  });
}

const DONE = { release: "released", rebuild: "rebuilt", keep: "kept" } as const;

/** Prints what was repaired, or would be. Faults: failed, if differences are left. */
async function repair(shell: Shell): Promise<void> {
  const { target, options: { dryRun }, output } = shell;
  const { acts, left } = await target.repair({ dryRun });
  const verb = (act: keyof typeof DONE) => dryRun && act !== "keep" ? `would ${act}` : DONE[act];
  if (!await printValue(shell, { acts, left })) {
    acts.forEach(({ act, claim, why }) => output.data(`${verb(act)} ${claim}: ${why}`));
  }
  if (left.length === 0) {
    return output.note(
      acts.length > 0 ? "records and claims agree now" : "records and claims agree",
    );
  }
  for (const { name, why } of left.slice(0, 20)) output.message(`${name}: ${why}`);
  throw new Fault("failed", `${left.length} differences ${dryRun ? "found" : "are left"}`, {
    fix: dryRun ? "run it without --dry-run" : "apply the intent again, and check again",
  });
}
