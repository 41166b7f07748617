// The Debian package of the built file, under another version number.

import { DIST } from "./one_file.ts";
import { run } from "./run.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;

/** Builds the package in a tree like this one, in `dir`/VERSION, whose file is of that version; returns its path. */
export async function buildPackage(dir: string, version: string): Promise<string> {
  const script = `mkdir "$1"; cp -r "$2/.ci" "$2/install.sh" "$2/deno.json" "$1"; mkdir "$1/dist"
    sed "2s/[0-9]\\.[0-9]\\.[0-9]/$4/" "$3" >"$1/dist/k8contivnet"; chmod 755 "$1/dist/k8contivnet"
    DEBFULLNAME=Ada DEBEMAIL=ada@debian.org SOURCE_DATE_EPOCH=1700000000 "$1/install.sh" deb`;
  const place = `${dir}/${version}`;
  const words = ["-ec", script, "sh", place, HOUSE, DIST, version];
  return `${place}/${(await run("sh", words, { limitMs: 120_000 })).trim()}`;
}
