// `docs TOPIC`: the man page of this version, and what is too long for the help of a command.

import { VERSION } from "../util/version.ts";
import { exitCodes } from "./exit_codes.ts";
import { OPTIONS } from "./option_table.ts";
import type { Command, Shell } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

/** What the pages are made of: the tables of commands. */
export interface DocsTables {
  readonly commands: Readonly<
    Record<string, { readonly summary: string; readonly load: () => Promise<Command> }>
  >;
  /** What else the file can be called as. */
  readonly faces: Readonly<Record<string, string>>;
}

/** The topics, in the order of the help. */
export const TOPICS = ["operations", "contiv", "man"] as const;

/** Returns the command. */
export const docsOf = (tables: DocsTables): Command => ({
  usage: "docs operations | contiv | man\n" +
    "  operations: backup and restore of the store, upgrade, a lost host, a lost etcd, from SQLite to etcd;\n" +
    "  contiv: moving from contiv netplugin, with an example of its objects turned into an intent;\n" +
    "  man: the man page; its date is today's, or that of SOURCE_DATE_EPOCH\n" +
    "  e.g. k8contivnet docs man > /usr/local/share/man/man8/k8contivnet.8",
  run: async ({ args, output }: Shell) => {
    const topic = TOPICS.find((one) => one === args[0]);
    if (args.length !== 1 || topic === undefined) {
      throw wrongWords("docs", args, {
        takes: "operations, contiv or man",
        fix: "k8contivnet docs operations",
      });
    }
    output.data((await TEXTS[topic](tables)).trimEnd());
  },
});

const TEXTS: Readonly<Record<typeof TOPICS[number], (tables: DocsTables) => Promise<string>>> = {
  operations: async () => (await import("./operations_topic.ts")).operationsTopic,
  contiv: async () => (await import("./contiv_topic.ts")).contivTopic,
  man: async ({ commands: table, faces }) => {
    const { manPage } = await import("./man_page.ts");
    const commands = await Promise.all(
      Object.entries(table).map(async ([name, { summary, load }]) => {
        return { name, summary, usage: (await load()).usage };
      }),
    );
    return manPage({
      ...{ version: VERSION, date: today(), commands, options: OPTIONS },
      ...{ exitCodes: `0 ok, ${exitCodes()}`, faces },
    });
  },
};

/** Returns the date of the page, YYYY-MM-DD, UTC. */
function today(): string {
  const epoch = Number(Deno.env.get("SOURCE_DATE_EPOCH") || NaN);
  const date = new Date(Number.isFinite(epoch) ? epoch * 1_000 : Date.now());
  return date.toISOString().slice(0, 10);
}
