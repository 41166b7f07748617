// Which store a URL means: two URLs may lead to one SQLite file, by relative paths, links, or slashes.

import { sqlitePath } from "../store/open_store.ts";
import { resolveStorePath } from "../store/sqlite/sqlite_file.ts";

/** Returns a text that is the same for URLs of the same SQLite file; the URL itself for other stores. Faults: usage. */
export async function storeIdentity(url: string): Promise<string> {
  if (!url.startsWith("sqlite:")) return url;
  const path = sqlitePath(url);
  const info = await Deno.stat(path).catch(() => undefined);
  if (info?.ino) return `sqlite file ${info.dev}:${info.ino}`;
  try {
    return `sqlite:${resolveStorePath(path)}`;
  } catch {
    return url; // its folder is missing, too: opening it says so
  }
}
