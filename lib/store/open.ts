// Which driver a store's URL means.

import { Fault, oneLine } from "../util/errors.ts";
import type { Store } from "./store.ts";

/** Options of opening. */
export interface OpenOptions {
  /** A call that the store does not answer faults after this. @default 5000 */
  readonly limitMs?: number;
}

/**
 * Opens the store at `url`: `sqlite:PATH`. Faults: usage (no such kind of URL), and those of the
 * driver. The driver is loaded only here.
 */
export async function openStore(url: string, options: OpenOptions = {}): Promise<Store> {
  const scheme = /^([a-z]+):/.exec(url)?.[1];
  if (scheme === "sqlite") {
    const { openSqlite } = await import("./sqlite.ts");
    return await openSqlite(sqlitePath(url), options);
  }
  // The URL itself is not repeated: it may carry a password.
  if (scheme === "etcd" || scheme === "etcds") {
    throw new Fault("unavailable", "etcd store is not in this build yet", {
      fix: "use sqlite:PATH, one store per host",
    });
  }
  throw new Fault(
    "usage",
    `store "${oneLine(scheme ?? url.slice(0, 20), 20)}" is of no known kind`,
    {
      fix: "write sqlite:PATH",
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
