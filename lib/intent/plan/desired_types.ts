// What should be there, as statements: what they leave out is left to the pools.

import type {
  Binding,
  EndpointIntent,
  HostIntent,
  NetworkAttributes,
  TenantAttributes,
} from "../intent.ts";
import type { EndpointRecord } from "../records.ts";

/** A network as it should be, without what is left to the pools. */
export type DesiredNetwork = NetworkAttributes & { readonly tenant: string };

/** An endpoint as it should be, without what is left to the pools. */
export type DesiredEndpoint = EndpointIntent & Pick<EndpointRecord, "dynamic"> & {
  readonly tenant: string;
  readonly network: string;
};

/** What should be there, by record key. */
export interface Desired {
  readonly hosts: Map<string, HostIntent>;
  readonly tenants: Map<string, TenantAttributes>;
  readonly networks: Map<string, DesiredNetwork>;
  readonly endpoints: Map<string, DesiredEndpoint>;
  /** What the file itself states: of these, values chosen by a pool may move. */
  readonly listed: Set<string>;
  /** Records that do not fit where they stand, and that nobody asked to touch: see strays.ts. */
  readonly untouched: Set<string>;
  readonly bindings: readonly Binding[];
  readonly warnings: string[];
  /** See Wish in wish.ts. */
  readonly skip: number;
}
