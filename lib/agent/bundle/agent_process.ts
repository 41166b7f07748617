// The agent's process: its flags, its environment, and the file that it logs to.

import { Fault } from "../../util/errors.ts";
import { outputOf } from "./outside.ts";

const LOG_BYTES = 8 * 1024 * 1024;

/** What is known of the agent's process; empty if it does not run. */
export interface AgentProcess {
  readonly flags: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What a bundle shows: of the environment only our own variables. */
  readonly shown: {
    readonly flags: readonly string[];
    readonly environment: Readonly<Record<string, string>>;
  };
  /** Returns the end of the file that its log goes to. Faults: not_found, if it is not a file. */
  readonly log: () => Promise<string>;
}

/** Returns the facts about process `pid`. */
export async function agentProcess(pid: number | undefined): Promise<AgentProcess> {
  const read = async (name: string) => {
    if (pid === undefined) return [];
    // Zero bytes would end the text on its way: a newline separates as well, and its own are shown as such.
    const file = `/proc/${pid}/${name}`;
    const text = await outputOf("sh", "-c", 'tr "\\n\\0" "\\001\\n" <"$1"', "sh", file).catch(() =>
      ""
    );
    return text.split("\n").filter(Boolean).map((one) => one.replaceAll("\x01", "\n"));
  };
  const flags = await read("cmdline");
  const environment = environmentOf(await read("environ"));
  const own = Object.entries(environment).filter(([name]) => name.startsWith("K8CONTIVNET_"));
  return {
    ...{ flags, environment, shown: { flags, environment: Object.fromEntries(own) } },
    log: async () => {
      if (pid === undefined) throw new Fault("not_found", "the agent does not run");
      const path = await outputOf("readlink", `/proc/${pid}/fd/2`);
      if (path.startsWith("/") && !path.startsWith("/dev/")) {
        return await outputOf("tail", "-c", String(LOG_BYTES), path);
      }
      throw new Fault("not_found", "the agent does not log to a file", {
        why: `its standard error is ${path}`,
      });
    },
  };
}

function environmentOf(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return [line.slice(0, at), line.slice(at + 1)];
  }));
}
