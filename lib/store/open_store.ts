// Opens a store by its URL: chooses the driver and loads it.

import { Fault, oneLine } from "../util/errors.ts";
import type { OpenOptions } from "./open_options.ts";
import type { Store } from "./store.ts";

export type { OpenOptions };

/**
 * Opens the store at `url`: `sqlite:PATH`, or `etcd://HOST:PORT,HOST:PORT/PREFIX`, with TLS
 * `etcds://…`. etcd may be down: the first call connects to it. Faults: usage (unknown kind of URL), and
 * those of the driver. Only the driver in use is loaded.
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
    `store "${oneLine(scheme ?? url.slice(0, 20), 20)}" is not of a known kind`,
    {
      fix: "write sqlite:PATH or etcd://HOST:2379",
    },
  );
}

/**
 * Returns the path of an SQLite store: `sqlite:///x` is the same as `sqlite:/x`; in `sqlite://x/y`, x would be a host.
 * Faults: usage.
 */
export function sqlitePath(url: string): string {
  const path = url.slice("sqlite:".length).replace(/^\/\/(?=\/)/, "");
  if (path !== "" && !path.startsWith("//")) return path;
  throw new Fault("usage", `store "${oneLine(url, 60)}" names no file`, {
    fix: "write sqlite:/FOLDER/FILE",
  });
}
