// The alias of a pod in an aliased network: an address that no other pod of this host has. It follows from the pod's
// network and address: a freed alias is then another pod's only with that same address, and what the kernel, Open
// vSwitch and machines outside still remember of its connections reaches nobody else. The aliases of a host are that
// host's own matter, so no claim in the store guards them: only what this agent is about to commit at the same time.

import { clusterSettingsIn, idOf } from "../../intent/reach_settings.ts";
import type { AttachmentRecord, Documents, NetworkRecord } from "../../intent/records.ts";
import { freeAlias, parseHostRange } from "../../ipam/host_range.ts";
import { Fault } from "../../util/errors.ts";
import { attachmentsOf } from "../store/documents.ts";

/**
 * Returns an alias for the pod of `network` that has `address` on `host`; undefined where it needs none. Faults:
 * exhausted.
 */
export function chooseAlias(
  documents: Documents,
  { host, address }: { readonly host: string; readonly address: string },
  network: NetworkRecord,
  isInFlight: (alias: string) => boolean,
): string | undefined {
  if (network.aliasedBecause === undefined) return undefined;
  const present = new Set(attachmentsOf(documents, host).flatMap(({ alias }) => alias ?? []));
  const { hostRange } = clusterSettingsIn(documents);
  const range = parseHostRange(hostRange);
  const holder = `${idOf(network)} ${address}`;
  const alias = freeAlias(range, holder, (one) => present.has(one) || isInFlight(one));
  if (alias !== undefined) return alias;
  throw new Fault("exhausted", `no alias is left for a pod of ${idOf(network)}`, {
    why: `all of host range ${hostRange} on this host are in use`,
    fix: "move pods to another host",
  });
}

/** Aliases that this agent is about to commit. */
export class AliasesInFlight {
  readonly #aliases = new Set<string>();

  /** Reports whether a commit that is under way has this alias. */
  has(alias: string): boolean {
    return this.#aliases.has(alias);
  }

  /** Does `work` with `plan`, the aliases of whose last result are taken until then. */
  async during<C extends { readonly attachments: readonly AttachmentRecord[] }, T>(
    plan: (documents: Documents) => C,
    work: (plan: (documents: Documents) => C) => Promise<T>,
  ): Promise<T> {
    let mine: readonly string[] = [];
    const release = () => mine.forEach((one) => this.#aliases.delete(one));
    try {
      return await work((documents) => {
        release();
        mine = [];
        const result = plan(documents);
        mine = result.attachments.flatMap(({ alias }) => alias ?? []);
        for (const alias of mine) this.#aliases.add(alias);
        return result;
      });
    } finally {
      release();
    }
  }
}
