// The lists of subnets that must not overlap: each tenant's, and that of the hosts' stacks. Overlapping subnets
// are not equal, so a claim of each one would not keep them apart: each commit that adds or removes one
// checks the whole list.

import { Fault } from "../../util/errors.ts";
import { idOf } from "../reach_settings.ts";
import { keys, type NetworkRecord } from "../records.ts";
import type { Plan, SubnetListEdit } from "./operation.ts";
import type { Stored } from "./stored.ts";

/** A network's place in one of the lists. */
interface Listed {
  readonly list: string;
  readonly subnet: string;
  /** Its name in that list. */
  readonly name: string;
}

/** Returns where a network's subnet is listed. */
function placesOf({ tenant, name, subnet, owner, ...rest }: NetworkRecord): Listed[] {
  const own = { list: keys.subnets(tenant), subnet, name };
  const id = idOf({ tenant, name, ...rest });
  return owner ? [own, { list: keys.owners, subnet, name: id }] : [own];
}

/** Returns the changes of lists when a network changes. Faults: failed, where a list cannot be read. */
export function subnetEdits(
  stored: Stored,
  before: NetworkRecord | undefined,
  after: NetworkRecord | undefined,
): SubnetListEdit[] {
  const [had, has] = [before, after].map((one) =>
    new Map((one ? placesOf(one) : []).map((place) => [place.list, place]))
  );
  const lists = new Set([...had?.keys() ?? [], ...has?.keys() ?? []]);
  return [...lists].flatMap((list) => {
    const [drop, add] = [had?.get(list)?.subnet, has?.get(list)?.subnet];
    if (drop === add) return [];
    const why = stored.unreadable.get(list);
    if (why !== undefined) throw unreadableList(list, why);
    return [{
      list,
      revision: stored.revisionOf(list),
      network: (has?.get(list) ?? had?.get(list))?.name ?? "",
      ...(drop === undefined ? {} : { drop }),
      ...(add === undefined ? {} : { add }),
    }];
  });
}

function unreadableList(list: string, why: string): Fault {
  const what = list === keys.owners ? "the hosts' stacks" : `tenant ${list.split("/")[1]}`;
  return new Fault("failed", `subnets of ${what} cannot be changed`, {
    why: `their list cannot be read: ${why}`,
    fix: "use a newer k8contivnet",
  });
}

/** Returns the lists that belong to the stored networks. */
export function subnetListsOf(stored: Stored): Plan["subnetLists"] {
  const places = Map.groupBy([...stored.networks.values()].flatMap(placesOf), ({ list }) => list);
  const lists = new Set([...places.keys(), ...stored.subnets.keys()]);
  return new Map([...lists].map((list) => [
    list,
    {
      ...unreadableSubnets(stored, list),
      ...Object.fromEntries((places.get(list) ?? []).map(({ subnet, name }) => [subnet, name])),
    },
  ]));
}

/** Subnets of networks that this version cannot read stay in the list. */
function unreadableSubnets({ subnets, unreadable }: Stored, list: string) {
  const tenant = list === keys.owners ? "" : `${list.split("/")[1]}/`;
  const listed = Object.entries(subnets.get(list)?.networks ?? {});
  return Object.fromEntries(
    listed.filter(([, name]) => unreadable.has(`networks/${tenant}${name}`)),
  );
}
