// Turns errors of etcd into Faults that say what is wrong and how to fix it, without any password, token
// or key.

import { Fault, oneLine } from "../../util/errors.ts";
import { CODE, type TransportError } from "./transport.ts";

/** The member that failed, and the proxy by which it was asked. */
export interface FailedMember {
  readonly endpoint: string;
  readonly transport?: { readonly proxy?: string | undefined };
}

/** Returns the last error of a member as a Fault of the store. */
export function etcdFault(member: FailedMember, error: TransportError, limitMs: number): Fault {
  const [why, fix] = sentence(member, error);
  const isLate = error.code === CODE.deadlineExceeded;
  const late = `no answer within ${limitMs} ms: ${why}`;
  return new Fault(isLate ? "timeout" : "unavailable", "etcd store cannot be used", {
    why: isLate ? late : why,
    fix,
    cause: error,
  });
}

/** Returns the Fault of a commit of which it is unknown whether it was applied. */
export function outcomeUnknownFault(fault: Fault): Fault {
  return new Fault(fault.code, "etcd store may or may not have applied a commit", {
    why: fault.why,
    fix: "read again before the next try",
    cause: fault,
  });
}

/** Returns the Fault of a call to a closed store. */
export function closedFault(): Fault {
  return new Fault("unavailable", "etcd store is closed");
}

/** Returns the Fault of an address at which another cluster answers than before. */
export function otherClusterFault(endpoint: string, was: string, is: string): Fault {
  const hex = (id: string) => BigInt(id).toString(16);
  return new Fault("unavailable", "etcd store cannot be used", {
    why: `cluster ${hex(is)} answers at ${endpoint}, not ${hex(was)} as before`,
    fix: "check the address; restart k8contivnet if the cluster was re-created",
  });
}

// Messages of etcd and of TLS, matched here and nowhere else. The first match wins.
const SENTENCES: readonly (readonly [RegExp, why: string, fix: string])[] = [
  [
    /UnknownIssuer|BadSignature|self.signed|unable to (get|verify)/i,
    "its certificate is signed by an unknown authority",
    "check --etcd-ca",
  ],
  [
    /not valid for name|ALTNAME_INVALID/,
    "its certificate is for another name",
    "use a name or address that the certificate contains",
  ],
  [/Expired|CERT_HAS_EXPIRED/, "its certificate has expired", "renew it"],
  [
    /fatal alert|certificate required|bad certificate|unknown ca/i,
    "it rejects our certificate",
    "check --etcd-cert and --etcd-key",
  ],
  [
    /invalid peer certificate|CERT_/,
    "its certificate is not valid",
    "check --etcd-ca and the clocks",
  ],
  [
    /authentication failed/,
    "it rejects user and password",
    "check --etcd-user and --etcd-password-file",
  ],
  [
    /user name is empty|CommonName of client/,
    "it requires a user and a password",
    "set --etcd-user and --etcd-password-file",
  ],
  [/authentication is not enabled/, "it has no authentication enabled", "omit --etcd-user"],
  [
    /permission denied/,
    "its user has no access to the store's keys",
    "grant the user a role that reads and writes the prefix",
  ],
  [
    /client preface|code = Unavailable desc = (all SubConns|transport)/,
    "its JSON gateway is broken by its own certificate",
    "set --etcd-cert and --etcd-key, or renew the server's with clientAuth",
  ],
  [
    /database space exceeded/,
    "its database quota is exceeded",
    "compact and defragment etcd, then disarm its alarm",
  ],
  [/connection refused|ECONNREFUSED/i, "connection refused", "check whether etcd runs there"],
  [
    /dns error|Name resolution|ENOTFOUND|lookup/i,
    "its name cannot be resolved",
    "check the store's URL",
  ],
  [
    /no leader|leader changed|timed out|raft|server stopped/,
    "the cluster has no majority",
    "check etcd's other members",
  ],
  [
    /tls handshake|corrupt message|wrong version number|packet length/i,
    "it does not speak TLS",
    "write etcd:// without TLS",
  ],
  [
    /HTTP\/1\.x|malformed HTTP|not as etcd does|invalid JSON|invalid HTTP version/i,
    "the server there is not etcd",
    "check the store's URL",
  ],
  [
    /closed before|reset|broken pipe/i,
    "it closes the connection",
    "check etcd's log, and whether it requires etcds://",
  ],
];

function sentence(
  { endpoint, transport }: FailedMember,
  error: TransportError,
): [why: string, fix: string] {
  const proxy = transport?.proxy;
  if (proxy === undefined) return directSentence(oneLine(endpoint, 40), endpoint, error);
  const [why, fix] = directSentence(
    `${oneLine(endpoint, 40)} by proxy ${oneLine(proxy, 60)}`,
    endpoint,
    error,
  );
  const host = oneLine(endpoint.slice(0, endpoint.lastIndexOf(":")), 40);
  const isFromEtcd = /^etcdserver|^raft|authentication|permission denied/.test(error.message);
  return [why, isFromEtcd ? fix : `check the proxy, or add ${host} to NO_PROXY`];
}

function directSentence(
  place: string,
  endpoint: string,
  error: TransportError,
): [why: string, fix: string] {
  for (const [pattern, why, fix] of SENTENCES) {
    if (pattern.test(error.message)) return [`${place}: ${why}`, fix];
  }
  if (error.code === CODE.deadlineExceeded) {
    // A firewall that drops packets looks the same as an etcd that hangs.
    const [, host = "HOST", port = "PORT"] = /^\[?(.*?)\]?:(\d+)$/.exec(endpoint) ?? [];
    const reaches = `whether TCP reaches it (nc -vz ${oneLine(host, 255)} ${port})`;
    return [`${place} does not answer`, `check whether etcd is running there, and ${reaches}`];
  }
  return [`${place} says "${oneLine(error.message, 60)}"`, "check etcd's log"];
}
