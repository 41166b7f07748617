// Where a benchmark's figures go: raw samples into a file beside it, tables into the README.

import { type Ratio, type Samples, tables } from "./stats.ts";

/** Writes the samples to `file`, the tables between the README's `<!-- section -->` marks, and prints them. */
export async function report(
  section: string,
  file: string,
  { samples, ratios }: { readonly samples: Samples; readonly ratios: readonly Ratio[] },
): Promise<void> {
  const markdown = tables(samples, ratios);
  const raw = JSON.stringify(Object.fromEntries(samples), null, 1) + "\n";
  await Deno.writeTextFile(new URL(file, import.meta.url), raw);
  const path = new URL("../../README.md", import.meta.url);
  const readme = await Deno.readTextFile(path);
  const marked = new RegExp(`(<!-- ${section} -->\\n)[\\s\\S]*?(<!-- /${section} -->)`);
  if (!marked.test(readme)) throw new Error(`the README has no place for ${section}`);
  await Deno.writeTextFile(path, readme.replace(marked, `$1\n${markdown}\n\n$2`));
  console.log(markdown);
}
