// What a store is opened with, beside its URL.

/** Options of openStore(). */
export interface OpenOptions {
  /** A call without an answer faults after this. @default 5000 */
  readonly limitMs?: number | undefined;
  /** PEM file of the authorities that sign etcd's certificates; those of the system when absent. */
  readonly etcdCa?: string | undefined;
  /** PEM file of the client certificate for etcd; requires `etcdKey`. */
  readonly etcdCert?: string | undefined;
  /** PEM file of the key of `etcdCert`. */
  readonly etcdKey?: string | undefined;
  /** User of etcd; requires `etcdPasswordFile`. */
  readonly etcdUser?: string | undefined;
  /** File that contains only the password of `etcdUser`; read at each login. */
  readonly etcdPasswordFile?: string | undefined;
}
