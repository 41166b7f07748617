// The Debian package of the built file, under another version number.

import { writeOtherVersion } from "./one_file.ts";
import { run } from "./run.ts";

const HOUSE = new URL("../..", import.meta.url).pathname;

/** Builds the package in a tree like this one, in `dir`/VERSION, whose file is of that version; returns its path. */
export async function buildPackage(dir: string, version: string): Promise<string> {
  const script = `mkdir -p "$1/dist"; cp -r "$2/.ci" "$2/install.sh" "$2/deno.json" "$1"`;
  const place = `${dir}/${version}`;
  await run("sh", ["-ec", script, "sh", place, HOUSE]);
  await writeOtherVersion(`${place}/dist/k8contivnet`, version);
  const env = [
    "DEBFULLNAME=Ada",
    "DEBEMAIL=ada@debian.org",
    "SOURCE_DATE_EPOCH=1700000000",
  ];
  const words = [...env, `${place}/install.sh`, "deb"];
  return `${place}/${(await run("env", words, { limitMs: 120_000 })).trim()}`;
}
