// Links of ours taken away, all in one step.

import { notOurs } from "../sandbox_checks.ts";
import { HALF_MADE_GROUP, removalGroup } from "../pair_spec.ts";
import type { KernelLink } from "./replies.ts";
import type { Libc } from "./libc.ts";
import { deleteGroup, deleteLink, IFLA, setLink } from "./requests.ts";
import { isRefusal, linksOf, openHere } from "./session.ts";
import type { NetlinkSocket } from "./netlink_socket.ts";

/** Removes those of `names` that are ours. Faults: conflict, where one is not; it stays. */
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
  if (only && ours.length === 1) await orAbsent(here.ask(deleteLink(only.name, only.index)));
  if (ours.length > 1) await deleteTogether(here, ours, links.map((link) => link.group));
  const foreign = present.filter((link) => !ours.includes(link)).map((link) => link.name);
  if (foreign.length > 0) throw notOurs(foreign);
}

/** Deletes links as one group: the kernel waits once for all, not once for each. */
async function deleteTogether(
  here: NetlinkSocket,
  links: readonly KernelLink[],
  taken: readonly number[],
): Promise<void> {
  const group = removalGroup(taken);
  const gathered = await here.try(links.map(({ name, index }) => {
    return setLink(`group of ${name}`, index, { attributes: [[IFLA.group, group]] });
  }));
  // A link that went away by itself is no failure; one that is only in use elsewhere is.
  for (const refusal of gathered.refusals.values()) if (!refusal.is("ENODEV")) throw refusal;
  await orAbsent(here.ask(deleteGroup(group)));
}

/** Takes "there is no such link" as success. */
export async function orAbsent(removal: Promise<unknown>): Promise<void> {
  await removal.catch((error) => {
    if (!isRefusal(error, "ENODEV")) throw error;
  });
}

/** Reports whether a link carries our alias, or was cut off before it got one. */
export function isOurs({ alias, group }: KernelLink, aliasPrefix: string): boolean {
  return alias.startsWith(aliasPrefix) || (alias === "" && group === HALF_MADE_GROUP);
}
