// An intent under this program's field names: the user's file after parsing, before any allocation.
// An absent field means that the file does not mention it.

import type {
  ClusterRecord,
  EndpointRecord,
  HostRecord,
  NetworkRecord,
  TenantRecord,
} from "./records.ts";

/** What a file says of the whole cluster. Absent attributes keep what is stored. */
export type ClusterAttributes = Omit<ClusterRecord, "schema">;

/** A minion. */
export type HostIntent = Omit<HostRecord, "schema">;

/** A tenant without its networks. Absent attributes keep what is stored. */
export interface TenantAttributes extends Partial<Omit<TenantRecord, "schema" | "name">> {
  readonly name: string;
}

/** A tenant as the file lists it. */
export interface TenantIntent extends TenantAttributes {
  readonly networks: readonly NetworkIntent[];
}

type ChosenInNetwork =
  | "encap"
  | "tag"
  | "tagBy"
  | "subnet"
  | "subnetBy"
  | "owner"
  | "aliasedBecause";

/** A network without its endpoints; what is absent is chosen by the tenant's defaults and pools. */
export interface NetworkAttributes
  extends
    Omit<NetworkRecord, "schema" | "tenant" | ChosenInNetwork>,
    Partial<Pick<NetworkRecord, "encap" | "tag" | "subnet">> {}

/** A network as the file lists it. */
export interface NetworkIntent extends NetworkAttributes {
  readonly endpoints: readonly EndpointIntent[];
}

type ChosenInEndpoint = "address" | "addressBy" | "pin" | "bound" | "dynamic";

/** A place for one pod interface as the file lists it. */
export interface EndpointIntent
  extends
    Omit<EndpointRecord, "schema" | "tenant" | "network" | ChosenInEndpoint>,
    Partial<Pick<EndpointRecord, "address">> {}

/** Where the endpoints of one container go: an element of `-host-bindings-cfg`. */
export interface Binding {
  readonly container: string;
  readonly host: string;
  readonly attachUuid?: string;
}

/** A whole file. */
export interface Intent extends ClusterAttributes {
  readonly hosts: readonly HostIntent[];
  readonly tenants: readonly TenantIntent[];
  readonly hostBindings: readonly Binding[];
}
