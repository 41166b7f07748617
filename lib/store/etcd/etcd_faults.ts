// What goes wrong with etcd, as sentences with a way out. No password, token or key is in any.

import { Fault, oneLine } from "../../util/errors.ts";
import { CODE, type TransportError } from "./transport.ts";

/** Returns what `endpoint` did last as a Fault of the store. */
export function etcdFault(endpoint: string, error: TransportError, limitMs: number): Fault {
  const [why, fix] = sentence(endpoint, error);
  const isLate = error.code === CODE.deadlineExceeded;
  const late = `nothing came within ${limitMs} ms: ${why}`;
  return new Fault(isLate ? "timeout" : "unavailable", "etcd store cannot be used", {
    why: isLate ? late : why,
    fix,
    cause: error,
  });
}

/** Returns the Fault of a commit of which is not known whether it was done. */
export function outcomeUnknownFault(fault: Fault): Fault {
  return new Fault(fault.code, "etcd store may have taken a commit or not", {
    why: fault.why,
    fix: "read again before the next try",
    cause: fault,
  });
}

/** Returns the Fault of a call to a closed store. */
export function closedFault(): Fault {
  return new Fault("unavailable", "etcd store is closed");
}

/** Returns the Fault of an address behind which another cluster answers than before. */
export function otherClusterFault(endpoint: string, was: string, is: string): Fault {
  const hex = (id: string) => BigInt(id).toString(16);
  return new Fault("unavailable", "etcd store cannot be used", {
    why: `at ${endpoint} answers cluster ${hex(is)}, not ${hex(was)} as before`,
    fix: "see the address; restart k8contivnet if the cluster was made anew",
  });
}

// The words of etcd and of TLS, matched here and nowhere else. First match wins.
const SENTENCES: readonly (readonly [RegExp, why: string, fix: string])[] = [
  [
    /UnknownIssuer|BadSignature|self.signed|unable to (get|verify)/i,
    "its certificate is signed by a stranger",
    "see --etcd-ca",
  ],
  [
    /not valid for name|ALTNAME_INVALID/,
    "its certificate is for another name",
    "use a name or address that the certificate holds",
  ],
  [/Expired|CERT_HAS_EXPIRED/, "its certificate has expired", "renew it"],
  [
    /fatal alert|certificate required|bad certificate|unknown ca/i,
    "it refuses our certificate",
    "see --etcd-cert and --etcd-key",
  ],
  [
    /invalid peer certificate|CERT_/,
    "its certificate is not valid",
    "see --etcd-ca and the clocks",
  ],
  [
    /authentication failed/,
    "it refuses user and password",
    "see --etcd-user and --etcd-password-file",
  ],
  [
    /user name is empty|CommonName of client/,
    "it wants a user and a password",
    "give --etcd-user and --etcd-password-file",
  ],
  [/authentication is not enabled/, "it knows no users", "leave --etcd-user out"],
  [
    /permission denied/,
    "its user may not use the store's keys",
    "grant the user a role that reads and writes the prefix",
  ],
  [
    /client preface|code = Unavailable desc = (all SubConns|transport)/,
    "its JSON gateway is broken by its own certificate",
    "give --etcd-cert and --etcd-key, or renew the server's with clientAuth",
  ],
  [
    /database space exceeded/,
    "its space is used up",
    "compact and defragment etcd, then disarm its alarm",
  ],
  [/connection refused|ECONNREFUSED/i, "connection refused", "see whether etcd runs there"],
  [
    /dns error|Name resolution|ENOTFOUND|lookup/i,
    "its name cannot be resolved",
    "see the store's URL",
  ],
  [
    /no leader|leader changed|timed out|raft|server stopped/,
    "the cluster has no majority",
    "see etcd's other members",
  ],
  [
    /tls handshake|corrupt message|wrong version number|packet length/i,
    "it does not speak TLS",
    "write etcd:// without TLS",
  ],
  [
    /HTTP\/1\.x|malformed HTTP|not as etcd does|what is no JSON|invalid HTTP version/i,
    "what answers there is no etcd",
    "see the store's URL",
  ],
  [
    /closed before|reset|broken pipe/i,
    "it closes the connection",
    "see etcd's log, and whether it wants etcds://",
  ],
];

function sentence(endpoint: string, error: TransportError): [why: string, fix: string] {
  const place = oneLine(endpoint, 40);
  for (const [words, why, fix] of SENTENCES) {
    if (words.test(error.message)) return [`${place}: ${why}`, fix];
  }
  if (error.code === CODE.deadlineExceeded) {
    return [`${place} does not answer`, "see whether etcd is alive there"];
  }
  return [`${place} says "${oneLine(error.message, 60)}"`, "see etcd's log"];
}
