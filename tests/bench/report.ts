// Writes a benchmark's figures: raw samples into a file beside it, tables into RESULTS.md.

import { type Ratio, type Samples, tables } from "./stats.ts";

/** Writes the samples to `file` and the tables between RESULTS.md's `<!-- section -->` markers; prints them. */
export async function report(
  section: string,
  file: string,
  { samples, ratios }: { readonly samples: Samples; readonly ratios: readonly Ratio[] },
): Promise<void> {
  const markdown = tables(samples, ratios);
  const raw = JSON.stringify(Object.fromEntries(samples), null, 1) + "\n";
  await Deno.writeTextFile(new URL(file, import.meta.url), raw);
  const path = new URL("RESULTS.md", import.meta.url);
  const results = await Deno.readTextFile(path);
  const marked = new RegExp(`(<!-- ${section} -->\\n)[\\s\\S]*?(<!-- /${section} -->)`);
  if (!marked.test(results)) throw new Error(`RESULTS.md has no <!-- ${section} --> markers`);
  await Deno.writeTextFile(path, results.replace(marked, `$1\n${markdown}\n\n$2`));
  console.log(markdown);
}
