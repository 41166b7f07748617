// Which driver a store's URL means.

import { Fault, oneLine } from "../util/errors.ts";
import type { Store } from "./store.ts";

/** Options of opening. */
export interface OpenOptions {
  /** A call that the store does not answer faults after this. @default 5000 */
  readonly limitMs?: number | undefined;
  /** PEM file of the authorities that sign etcd's certificates; the system's when absent. */
  readonly etcdCa?: string | undefined;
  /** PEM file of the certificate to show to etcd; with it goes `etcdKey`. */
  readonly etcdCert?: string | undefined;
  /** PEM file of the key of `etcdCert`. */
  readonly etcdKey?: string | undefined;
  /** User of etcd; with it goes `etcdPasswordFile`. */
  readonly etcdUser?: string | undefined;
  /** File that holds nothing but the password of `etcdUser`; read at each login. */
  readonly etcdPasswordFile?: string | undefined;
}

/**
 * Opens the store at `url`: `sqlite:PATH`, or `etcd://HOST:PORT,HOST:PORT/PREFIX`, with TLS
 * `etcds://…`. An etcd may be down: only the first call asks it. Faults: usage (no such kind of URL), and those of the
 * driver. The driver is loaded only here.
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<Store> {
  const scheme = /^([a-z]+):/.exec(url)?.[1];
  if (scheme === "sqlite") {
    const { limitMs } = options;
    const { openSqlite } = await import("./sqlite/sqlite.ts");
    return await openSqlite(sqlitePath(url), limitMs === undefined ? {} : { limitMs });
  }
  if (scheme === "etcd" || scheme === "etcds") {
    const { openEtcd } = await import("./etcd/etcd_store.ts");
    return await openEtcd(url, options);
  }
  // The URL itself is not repeated: it may carry a password.
  throw new Fault(
    "usage",
    `store "${oneLine(scheme ?? url.slice(0, 20), 20)}" is of no known kind`,
    {
      fix: "write sqlite:PATH or etcd://HOST:2379",
    },
  );
}

// `sqlite:///x` is the same as `sqlite:/x`; in `sqlite://x/y`, x would be a host.
function sqlitePath(url: string): string {
  const path = url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "");
  if (path !== "" && !path.startsWith("//")) return path;
  throw new Fault("usage", `store "${oneLine(url, 60)}" names no file`, {
    fix: "write sqlite:/FOLDER/FILE",
  });
}
