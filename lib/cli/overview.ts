// The overview that `help` prints, made from the table of commands.

import { COMMANDS, OTHER_FACES } from "./command_table.ts";
import { exitCodes } from "./exit_codes.ts";
import { wrapped } from "./wrapped.ts";

const WIDTH = 34;

/** Returns the text of `k8contivnet help`, for a terminal of `width` columns. */
export function overview(width: number): string {
  const commands = Object.entries(COMMANDS)
    .map(([name, { takes, summary }]) => line(`${name} ${takes}`, summary));
  const others = Object.entries(OTHER_FACES).map(([name, what]) => line(name, what));
  const text = `k8contivnet: pods on their own VLANs and VXLANs, from one intent file

${[...commands, ...others].join("\n")}

COMMAND -h prints its details. Common options: -o table|wide|json|yaml|name, --socket PATH, --store URL, --quiet, --no-color
With --store etcd[s]://… also --etcd-ca, --etcd-cert, --etcd-key, --etcd-user, --etcd-password-file
exit codes: 0 ok, ${exitCodes()}`;
  return wrapped(text, width);
}

function line(left: string, right: string): string {
  return `  ${left.trim().padEnd(WIDTH - 1)} ${right}`;
}
