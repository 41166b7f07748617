// `docs man`: the man page of this version.

import { Fault } from "../util/errors.ts";
import { VERSION } from "../util/version.ts";
import { exitCodes } from "./exit_codes.ts";
import { OPTIONS } from "./option_table.ts";
import type { Command } from "./shell.ts";

/** What the pages are made of: the tables of commands. */
export interface DocsTables {
  readonly commands: Readonly<
    Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>
  >;
  /** What else the file can be called as. */
  readonly faces: Readonly<Record<string, string>>;
}

/** Returns the command. */
export const docsOf = ({ commands: table, faces }: DocsTables): Command => ({
  usage: "docs man\n" +
    "  prints the man page; its date is today's, or that of SOURCE_DATE_EPOCH\n" +
    "  e.g. k8contivnet docs man > /usr/local/share/man/man8/k8contivnet.8",
  run: async ({ args, output }) => {
    if (args.length !== 1 || args[0] !== "man") {
      throw new Fault("usage", `docs got "${args.join(" ").slice(0, 60)}"`, {
        why: "it takes man",
        fix: "k8contivnet docs man",
      });
    }
    const { manPage } = await import("./man_page.ts");
    const commands = await Promise.all(
      Object.entries(table).map(async ([name, { summary, load }]) => {
        return { name, summary, usage: (await load()).usage };
      }),
    );
    output.data(manPage({
      ...{ version: VERSION, date: today(), commands, options: OPTIONS },
      ...{ exitCodes: `0 ok, ${exitCodes()}`, faces },
    }));
  },
});

/** Returns the date of the page, YYYY-MM-DD, UTC. */
function today(): string {
  const epoch = Number(Deno.env.get("SOURCE_DATE_EPOCH") || NaN);
  const date = new Date(Number.isFinite(epoch) ? epoch * 1_000 : Date.now());
  return date.toISOString().slice(0, 10);
}
