// STATUS: whether an ADD would succeed now. A runtime makes its node NotReady when it would not, so only what
// stops all pods counts, with the reason.

import { CNI_CODES, type CniConfig, CniError } from "../../cni/cni_types.ts";
import { poolOf } from "../../intent/field_rules.ts";
import type { NetworkRecord } from "../../intent/records.ts";
import { keys } from "../../intent/records.ts";
import { freeAddresses } from "../../ipam/addresses.ts";
import { addressToText, parseSubnet } from "../../ipam/subnets.ts";
import type { SwitchState } from "../../ovs/switch.ts";
import { endpointsAt, networksOf } from "../store/documents.ts";
import type { StoreCache } from "../store/store_cache.ts";

/** What a STATUS works with. */
export interface CniStatusDeps {
  readonly store: Pick<StoreCache, "documents" | "unreachable" | "knows">;
  readonly switch: { state(): SwitchState };
  /** What is wrong with tunnels or uplink; undefined if nothing is. */
  readonly fabric: { readonly problem: string | undefined };
}

// A connection that is being opened, as just after the agent's start, is up within this; an ADD waits for it, too.
const CONNECTING_MS = 500;
const POLL_MS = 20;

/** Succeeds if an ADD would, of some pod at least. CniErrors: notAvailable, limitedConnectivity, with the reason. */
export async function checkStatus(deps: CniStatusDeps, config: CniConfig): Promise<void> {
  const { store, fabric } = deps;
  const { ovsdb, openflow } = await stateOf(deps.switch);
  if (ovsdb === "down") {
    throw limited(
      "ovsdb-server is unreachable",
      "start Open vSwitch; pods that run keep their flows",
    );
  }
  if (openflow === "down") {
    throw limited("ovs-vswitchd is unreachable", "start Open vSwitch: pods may have no network");
  }
  // With records of before, pods that endpoints name are set up, and others when the store answers again. As kubelets
  // start no pod on a node that is not ready, and Kubernetes evicts pods from it, this is not worth it.
  if (store.unreachable && store.documents.size === 0) {
    throw new CniError(
      CNI_CODES.notAvailable,
      "the store is unreachable",
      store.unreachable.message,
    );
  }
  if (fabric.problem !== undefined) throw limited("pods reach no other host", fabric.problem);
  // Runtimes ask every few seconds: that must not make all hosts follow a network. Where this one does not, an ADD finds
  // out, and the next STATUS knows it.
  const networks = networksOfNewPods(store, config);
  const isAnyFree = networks.some((one) =>
    !store.knows({ tenant: one.tenant, network: one.name }) || !isFull(store.documents, one)
  );
  const full = isAnyFree ? [] : networks;
  if (full.length === 0) return;
  throw new CniError(
    CNI_CODES.notAvailable,
    `no address is left in ${full.map(({ tenant, name }) => `${tenant}/${name}`).join(", ")}`,
    `see "k8contivnet ipam show"`,
  );
}

async function stateOf(ovs: CniStatusDeps["switch"]): Promise<SwitchState> {
  const endMs = performance.now() + CONNECTING_MS;
  const isDown = () => Object.values(ovs.state()).includes("down");
  while (isDown() && performance.now() < endMs) {
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
  return ovs.state();
}

function limited(what: string, why: string): CniError {
  return new CniError(CNI_CODES.limitedConnectivity, what, why);
}

/**
 * Returns all networks that new pods may get: that of the configuration, else the Default ones. Pods may ask for
 * others, so one full network of several does not count.
 */
function networksOfNewPods(
  { documents }: CniStatusDeps["store"],
  { tenant, network }: CniConfig,
): NetworkRecord[] {
  return networksOf(documents).filter((one) =>
    (tenant === undefined || one.tenant === tenant) &&
    (network === undefined ? one.default === true : one.name === network)
  );
}

function isFull(
  documents: CniStatusDeps["store"]["documents"],
  network: NetworkRecord,
): boolean {
  const { tenant, name, subnet } = network;
  const pool = poolOf((key) => key, `${tenant}/${name}`, network, parseSubnet(subnet));
  const isUsed = (address: number) =>
    documents.has(keys.addressClaim(tenant, name, addressToText(address)));
  if (!freeAddresses(pool, isUsed).next().done) return false;
  return !endpointsAt(documents, network).some((one) => one.dynamic?.heldSince !== undefined);
}
