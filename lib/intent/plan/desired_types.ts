// The desired objects as types: a value that is left out is chosen from the pools.

import type {
  Binding,
  ClusterAttributes,
  EndpointIntent,
  HostIntent,
  NetworkAttributes,
  TenantAttributes,
} from "../intent.ts";
import type { EndpointRecord } from "../records.ts";

/** A desired network; tag and subnet may be left to the pools. */
export type DesiredNetwork = NetworkAttributes & { readonly tenant: string };

/** A desired endpoint; its address may be left to the pool. */
export type DesiredEndpoint = EndpointIntent & Pick<EndpointRecord, "dynamic"> & {
  readonly tenant: string;
  readonly network: string;
};

/** The desired objects by record key. */
export interface Desired {
  /** Empty, or one document. */
  readonly cluster: Map<string, ClusterAttributes>;
  readonly hosts: Map<string, HostIntent>;
  readonly tenants: Map<string, TenantAttributes>;
  readonly networks: Map<string, DesiredNetwork>;
  readonly endpoints: Map<string, DesiredEndpoint>;
  /** Keys of the objects that the file states: values that a pool chose for these may change. */
  readonly listed: Set<string>;
  /** Keys of records that must stay as they are: see orphans.ts. */
  readonly untouched: Set<string>;
  /** Aliased networks stay so where it is not necessary any longer, too. */
  readonly keepsAliases?: boolean;
  readonly bindings: readonly Binding[];
  readonly warnings: string[];
  /** See Change in desired_intent.ts. */
  readonly skip: number;
}
