// `trace SRC DST`: may these two communicate, by which rule, and do switch and host agree?

import type { TraceAnswer, TraceRequest } from "../agent/api/diagnosis_requests.ts";
import { Fault } from "../util/errors.ts";
import { type Output, paint, printLines, printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

/** Exit code of --detailed-exitcode if the packet is denied; wrong usage has it, too. */
const DENIED = 2;

/** How the agent begins what it says of two pods whose networks are not connected. */
const NO_COMMON_NETWORK = "no common network";

export const trace: Command = {
  usage:
    "trace SRC DST [--tcp PORT | --udp PORT | --icmp] [--detailed-exitcode] [-o table|json|yaml]\n" +
    "  SRC, DST: pod as NAMESPACE/NAME, its name, or its address; one of them may be any other address\n" +
    "  DST may be outside, host (that of SRC), or a service's address, too\n" +
    "  prints allowed or denied, with the rule that decides, or because they have no common network,\n" +
    "  and what this host's switch does: on the sender's host it decides what may be sent, on the receiver's\n" +
    "  what may arrive. Exit code 0 also for denied, which is 2 with --detailed-exitcode,\n" +
    "  as is wrong usage; 1 if the two differ\n" +
    "  e.g. k8contivnet trace default/app default/web --tcp 8000",
  run: async (shell) => {
    const request = requestOf(shell);
    if (!shell.target.trace) {
      throw new Fault("usage", "trace needs the agent of this host", {
        fix: "run it without --store",
      });
    }
    const answer = await shell.target.trace(request);
    if (!await printValue(shell, answer)) {
      printLines(shell.output, traceLines(shell.output, request, answer));
    }
    if (!answer.isAgreed) throw disagreement(answer);
    return shell.options.detailedExitcode && !answer.model.isAllowed ? DENIED : 0;
  },
};

/** Returns why an answer is not what the intent says: the installed flows and rules, or no service is there. */
function disagreement({ stages }: TraceAnswer): Fault {
  const stop = stages?.find(({ isAllowed }) => !isAllowed);
  if (stop?.name === "service") {
    return new Fault("failed", "no service answers at this address", {
      why: stop.by,
      fix: "trace a port of the service, such as --tcp 80, and see kubectl get endpoints",
    });
  }
  return new Fault("failed", `policies and ${stages ? "host" : "switch"} do not agree`, {
    why: stages
      ? "the installed flows or the host's rules are not what the intent says"
      : "the installed flows are not what the policies say",
    fix: "see the agent's log, and report it",
  });
}

/** Reads the arguments. Faults: usage. */
function requestOf({ args, options }: Shell): TraceRequest {
  const [source, destination, ...rest] = args;
  const { tcp, udp, icmp } = options;
  const given = [tcp !== undefined, udp !== undefined, icmp === true].filter(Boolean).length;
  if (!source || !destination || rest.length > 0 || given > 1) {
    throw new Fault("usage", `trace got ${args.length} arguments`, {
      why: "it takes two pods, and one of --tcp, --udp, --icmp",
      fix: "k8contivnet trace default/app default/web --tcp 8000",
    });
  }
  if (tcp !== undefined) return { source, destination, protocol: "tcp", port: portOf(tcp) };
  if (udp !== undefined) return { source, destination, protocol: "udp", port: portOf(udp) };
  return { source, destination, protocol: "icmp", port: 0 };
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new Fault("usage", `port "${text.slice(0, 20)}" is out of range (1-65535)`, {
    fix: "--tcp 8000",
  });
}

/** Returns the verdict, what the policies say, and what the switch does. */
export function traceLines(output: Output, request: TraceRequest, answer: TraceAnswer): string[] {
  const { model, source, destination } = answer;
  const word = (isAllowed: boolean) =>
    paint(output, isAllowed ? "green" : "red", isAllowed ? "allowed" : "denied");
  const what = request.protocol === "icmp" ? "icmp" : `${request.protocol} ${request.port}`;
  const line = `${word(model.isAllowed)}  ${source} to ${destination}, ${what}`;
  if (answer.isApart) {
    const [short = "", long = ""] = model.by.split(": ");
    const hint = short === NO_COMMON_NETWORK
      ? "; ReachNetworks would connect them. If a router does, trace the address of one of them"
      : "";
    return [`${line}: ${short}`, `  ${long}${hint}`];
  }
  if (answer.stages) {
    const stages = answer.stages.map(({ name, isAllowed, by, rule }) =>
      `  ${`${name}:`.padEnd(9)} ${word(isAllowed)}  ${by}${said(rule)}`
    );
    return [line, ...stages];
  }
  const lines = [line, `  policies: ${word(model.isAllowed)}  ${model.by}${said(model.rule)}`];
  const { switch: seen } = answer;
  if (!seen) return lines;
  // Half an answer must not read as a whole one.
  if (seen.isAllowed && seen.otherHost !== undefined) {
    const [does, half, other] = seen.directions[0] === "out"
      ? ["sends it", "be sent", "arrive"]
      : ["accepts it", "arrive", "be sent"];
    return [
      ...lines,
      `  switch:   ${does}: this host decides only what may ${half}; for what may ${other}, trace on ${seen.otherHost}`,
    ];
  }
  const part = seen.directions.length === 2
    ? ""
    : seen.directions[0] === "out"
    ? " (what may be sent)"
    : " (what may arrive)";
  return [...lines, `  switch:   ${word(seen.isAllowed)}  ${seen.by}${part}`];
}

/** Returns what the deciding rule says, as an addition. */
function said(rule: string | undefined): string {
  return rule === undefined ? "" : `: ${rule}`;
}
