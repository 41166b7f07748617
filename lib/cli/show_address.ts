// Who has an address, for `why ADDRESS` and `ipam show ADDRESS`.

import type { AddressItem } from "../agent/server/address_items.ts";
import { printLines, printValue } from "./output.ts";
import type { Shell } from "./shell.ts";

/** Reports whether a word is an address, perhaps with a prefix length, and not a pod or network. */
export function isAddressWord(word: string): boolean {
  return /^\d+(\.\d+){3}(\/\d*)?$/.test(word) || /^[\da-f:.]*:[\da-f:.]*(\/\d*)?$/i.test(word);
}

/** Prints what an address is in each network that has it. Faults: usage, if it is not an IPv4 address. */
export async function showAddress(shell: Shell, word: string): Promise<void> {
  const { target, options, output } = shell;
  const items = await target.list("addresses", word) as unknown as readonly AddressItem[];
  if (await printValue(shell, items)) return;
  if (options.format === "name") return printLines(output, items.flatMap(nameOf));
  printLines(output, items.map(lineOf));
}

function nameOf({ tenant, network, endpoint, host }: AddressItem): string[] {
  const name = network === undefined ? host : [tenant, network, endpoint].filter(Boolean).join("/");
  return name === undefined ? [] : [name];
}

function lineOf({ address, tenant, network, message }: AddressItem): string {
  return `${address}${network === undefined ? "" : ` in ${tenant}/${network}`}: ${message}`;
}
