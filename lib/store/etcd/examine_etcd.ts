// What etcd says of itself, member by member, beside the documents: a read does not show that a member is down, or
// that an alarm refuses all writes. (maintenance.proto of etcd's API v3.)

import { Fault, faultFrom } from "../../util/errors.ts";
import type { OpenOptions } from "../open_options.ts";
import type { EtcdCluster, Member } from "./etcd_cluster.ts";
import { etcdFault } from "./etcd_faults.ts";
import { openCluster } from "./etcd_store.ts";
import { parseEtcdUrl } from "./etcd_url.ts";
import { type EtcdRequest, type EtcdResponse, type Method, TransportError } from "./transport.ts";

/** One member. */
export interface EtcdMember {
  /** `HOST:PORT` */
  readonly endpoint: string;
  /** Why it does not answer; the fields below are then absent. */
  readonly fault?: Fault;
  readonly version?: string;
  /** Bytes. */
  readonly size?: number;
  readonly hasLeader?: boolean;
}

/** What is known of an etcd. */
export interface EtcdReport {
  readonly isSecure: boolean;
  /** In the order of the URL. */
  readonly members: readonly EtcdMember[];
  /** `NOSPACE` (etcd refuses all writes), `CORRUPT`; each once. */
  readonly alarms: readonly string[];
}

/** Asks each member of the etcd at `url`, all at once. Faults: usage, for URL and options. */
export async function examineEtcd(url: string, options: OpenOptions): Promise<EtcdReport> {
  const cluster = await openCluster(url, options);
  try {
    const answers = await Promise.all(cluster.members.map((one) => examineMember(cluster, one)));
    return {
      isSecure: parseEtcdUrl(url).isSecure,
      members: answers.map(({ member }) => member),
      alarms: [...new Set(answers.flatMap(({ alarms }) => alarms))].sort(),
    };
  } finally {
    cluster.close();
  }
}

async function examineMember(cluster: EtcdCluster, member: Member) {
  const { endpoint } = member;
  try {
    const [status, { alarms = [] }] = await Promise.all([
      callMember(cluster, member, "maintenance/status", {}),
      // Users without rights may not ask for alarms; then none are known.
      callMember(cluster, member, "maintenance/alarm", { action: "GET" })
        .catch((): EtcdResponse => ({})),
    ]);
    const { version = "", dbSize = 0, leader = "0" } = status;
    const known = { endpoint, version, size: Number(dbSize), hasLeader: leader !== "0" };
    return { member: known, alarms: alarms.map(({ alarm }) => nameOf(alarm)) };
  } catch (error) {
    return { member: { endpoint, fault: faultFrom(error) }, alarms: [] };
  }
}

async function callMember(
  cluster: EtcdCluster,
  member: Member,
  method: Method,
  request: EtcdRequest,
): Promise<EtcdResponse> {
  const { limitMs } = cluster;
  try {
    const token = await cluster.token(member);
    return await member.transport.call(method, request, { token, limitMs });
  } catch (error) {
    throw error instanceof TransportError ? etcdFault(member, error, limitMs) : error;
  }
}

/** The gateway omits the zero that stands for no alarm, and gRPC may pass the number. */
function nameOf(alarm: string | number | undefined): string {
  const names: Readonly<Record<string, string>> = { "1": "NOSPACE", "2": "CORRUPT" };
  return names[String(alarm)] ?? String(alarm);
}
