// Removal of our links, all in one step.

import { notOurs } from "../sandbox_checks.ts";
import { INCOMPLETE_GROUP, removalGroup } from "../pair_spec.ts";
import type { KernelLink } from "./replies.ts";
import type { Libc } from "./libc.ts";
import { deleteGroup, deleteLink, IFLA, setLink } from "./requests.ts";
import { isRefusal, linksOf, openHere } from "./session.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";

/** Removes those of `names` that are ours. Faults: conflict, if one is not ours; that one stays. */
export async function removeLinks(
  libc: Libc,
  names: readonly string[],
  aliasPrefix: string,
): Promise<void> {
  if (names.length === 0) return;
  using here = openHere(libc);
  const links = await linksOf(here);
  const present = links.filter((link) => names.includes(link.name));
  const ours = present.filter((link) => isOurs(link, aliasPrefix));
  const [only] = ours;
  if (only && ours.length === 1) await orAbsent(here.request(deleteLink(only.name, only.index)));
  if (ours.length > 1) await deleteTogether(here, ours, links.map((link) => link.group));
  const foreign = present.filter((link) => !ours.includes(link)).map((link) => link.name);
  if (foreign.length > 0) throw notOurs(foreign);
}

/** Deletes links as one group: the kernel waits once for all of them, not once for each. */
export async function deleteTogether(
  here: NetlinkSocket,
  links: readonly KernelLink[],
  taken: readonly number[],
): Promise<void> {
  const group = removalGroup(taken);
  const replies = await here.tryAll(links.map(({ name, index }) => {
    return setLink(`group of ${name}`, index, { attributes: [[IFLA.group, group]] });
  }));
  // A link that has disappeared by itself is not a failure; every other refusal is.
  for (const refusal of replies.refusals.values()) if (!refusal.is("ENODEV")) throw refusal;
  await orAbsent(here.request(deleteGroup(group)));
}

/** Waits for `removal`; "no such device" is success. */
export async function orAbsent(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error) => {
    if (!isRefusal(error, "ENODEV")) throw error;
  });
}

/** Reports whether a link has our alias, or was left without one by an interrupted creation. */
export function isOurs({ alias, group }: KernelLink, aliasPrefix: string): boolean {
  return alias.startsWith(aliasPrefix) || (alias === "" && group === INCOMPLETE_GROUP);
}
