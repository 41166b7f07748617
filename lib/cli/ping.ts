// `ping POD POD`: from one pod to another, or to any address; if nothing is answered, the stage that stops it.

import type {
  SandboxAnswer,
  SandboxRequest,
  TraceAnswer,
} from "../agent/api/diagnosis_requests.ts";
import type { PodItem } from "../agent/api/listed_items.ts";
import type { PingResult } from "../agent/diagnose/ping_output.ts";
import { Fault, faultFrom, oneLine } from "../util/errors.ts";
import { printLines, printValue } from "./output.ts";
import { parseCount } from "./count.ts";
import { parsePod, podHere } from "./pod_word.ts";
import type { Command, Shell } from "./shell.ts";
import { traceLines } from "./trace.ts";

const MOST = 1_000;

export const ping: Command = {
  usage: "ping [NAMESPACE/]POD [NAMESPACE/]POD|ADDRESS [--count N] [-o table|json|yaml]\n" +
    "  sends N (3) echo requests from the first pod, which must be on this host, and counts the answers;\n" +
    "  of several addresses of the other pod, that in a common network is taken. Without an answer it traces\n" +
    "  the packet, says which stage stops it, and exits with 1\n" +
    "  e.g. k8contivnet ping shop/web-1 shop/db-0",
  run: async (shell) => {
    const [from, to, ...rest] = shell.args;
    if (!from || !to || rest.length > 0) {
      throw new Fault("usage", `ping got ${shell.args.length} arguments`, {
        why: "it takes two pods, or a pod and an address",
        fix: "k8contivnet ping shop/web-1 shop/db-0",
      });
    }
    const count = parseCount(shell.options.count, { standard: 3, most: MOST });
    const source = await podHere("ping", shell, parsePod(from, shell.options.namespace));
    if (source.interfaces.length === 0) throw withoutNetwork(source);
    const end = await endOf(shell, source, to);
    const { pingInSandbox } = await import("../agent/diagnose/ping_in_sandbox.ts");
    const ask = () => pingInSandbox(source, end.address, count);
    const result = await shell.long.run({ what: "ping" }, ask);
    await report(shell, source, end, result);
  },
};

/** Where the requests go. */
export interface PingEnd {
  /** `namespace/name`; absent for an address. */
  readonly pod?: string;
  readonly address: string;
  /** Node of the pod, if it is another one. */
  readonly node?: string;
}

/** Prints the result. Faults: failed, with the stage that stops the packets, if none was answered. */
async function report(
  shell: Shell,
  source: SandboxAnswer,
  end: PingEnd,
  result: PingResult,
): Promise<void> {
  const name = `${source.namespace}/${source.name}`;
  const request = {
    ...{ source: name, destination: destinationOf(end, result), protocol: "icmp" as const },
    port: 0,
  };
  const isLost = result.received === 0;
  const isTraced = isLost && !(result.hasNoRoute && end.pod === undefined);
  const traced = isTraced ? await traceOf(shell, request) : undefined;
  const trace = traced instanceof Fault ? undefined : traced;
  const stage = trace && stageOf(trace);
  const facts = { source: name, destination: end, ...result };
  const printed = await printValue(shell, {
    ...facts,
    ...stage ? { stage } : {},
    ...trace ? { trace } : {},
  });
  if (!printed) {
    printLines(shell.output, [
      resultLine(name, end, result),
      ...trace ? traceLines(shell.output, request, trace) : [],
    ]);
  }
  if (isLost) throw lost(source, end, { stage, traced, result });
}

/** Without a route, nothing leaves the pod, and an address says nothing of why. */
function destinationOf({ pod, address }: PingEnd, { hasNoRoute }: PingResult): string {
  return (hasNoRoute && pod) || address;
}

async function traceOf(
  { target }: Shell,
  request: Parameters<NonNullable<Shell["target"]["trace"]>>[0],
): Promise<TraceAnswer | Fault | undefined> {
  try {
    return await target.trace?.(request);
  } catch (error) {
    return faultFrom(error);
  }
}

/** Returns one line: `a to b (10.1.0.2): 3 of 3 answered, 0.1/0.2/0.3 ms`. */
export function resultLine(source: string, end: PingEnd, result: PingResult): string {
  const { sent, received, minMs, averageMs, maxMs, hasNoRoute } = result;
  if (hasNoRoute) return `${source} to ${nameOf(end)}: no route`;
  const times = minMs === undefined ? "" : `, ${minMs}/${averageMs}/${maxMs} ms (min/average/max)`;
  return `${source} to ${nameOf(end)}: ${received} of ${sent} answered${times}`;
}

function nameOf({ pod, address }: PingEnd): string {
  return pod === undefined ? address : `${pod} (${address})`;
}

/** Returns what stops the packet, `STAGE: WHY`; undefined if the trace finds nothing. */
export function stageOf(trace: TraceAnswer): string | undefined {
  if (trace.isApart) return trace.model.by;
  const stages = trace.stages ??
    [
      { name: "policies", ...trace.model },
      ...trace.switch ? [{ name: "switch", ...trace.switch }] : [],
    ];
  const denied = stages.find(({ isAllowed }) => !isAllowed);
  return denied && `${denied.name}: ${denied.by}`;
}

function lost(
  source: SandboxAnswer,
  end: PingEnd,
  { stage, traced, result }: {
    readonly stage: string | undefined;
    readonly traced: TraceAnswer | Fault | undefined;
    readonly result: PingResult;
  },
): Fault {
  const what = `${nameOf(end)} does not answer`;
  if (stage !== undefined) {
    return new Fault("failed", what, {
      why: stage,
      fix: `see k8contivnet trace ${source.namespace}/${source.name} ${
        destinationOf(end, result)
      } --icmp`,
    });
  }
  if (result.hasNoRoute) {
    return new Fault("failed", what, {
      why: `pod ${source.namespace}/${source.name} has no route to it`,
      fix: "other networks are opened by ReachNetworks, and the outside by Reach: see " +
        "k8contivnet explain Tenants.Networks.Reach",
    });
  }
  const why = traced instanceof Fault
    ? `and the trace failed: ${traced.message}`
    : "policies and switch of this host let the packet pass";
  return new Fault("failed", what, {
    why,
    fix: end.node === undefined
      ? `see whether it arrives${end.pod === undefined ? "" : `: k8contivnet capture ${end.pod}`}`
      : `run k8contivnet doctor on this host and on ${end.node}, and trace it there`,
  });
}

/** Returns the address of the second argument. Faults: usage, not_found. */
async function endOf(shell: Shell, source: SandboxAnswer, word: string): Promise<PingEnd> {
  if (/^[\d.]+$/.test(word)) {
    if (/^(\d{1,3}\.){3}\d{1,3}$/.test(word) && word.split(".").every((one) => Number(one) < 256)) {
      return { address: word };
    }
    throw new Fault("usage", `"${word.slice(0, 40)}" is not an IPv4 address`);
  }
  const pod = parsePod(word, shell.options.namespace);
  const items = await shell.target.list("pods") as unknown as readonly PodItem[];
  const itemOf = (one: SandboxRequest) =>
    items.find(({ namespace, name }) => namespace === one.namespace && name === one.name);
  const found = itemOf(pod);
  const name = `${pod.namespace}/${pod.name}`;
  const address = found && addressOf(found, source);
  if (!found || address === undefined) {
    throw new Fault("not_found", `pod ${oneLine(name, 60)} has no address`, {
      fix: `see k8contivnet why ${name}, or k8contivnet get pods -A`,
    });
  }
  const isHere = found.node === itemOf(source)?.node;
  return { pod: name, address, ...isHere ? {} : { node: found.node } };
}

/** Returns the address in a network that both have, else the first one. */
export function addressOf(
  { networks, ips }: Pick<PodItem, "networks" | "ips">,
  { interfaces }: Pick<SandboxAnswer, "interfaces">,
): string | undefined {
  const common = networks.findIndex((one) => interfaces.some(({ network }) => network === one));
  return ips[Math.max(0, common)];
}

function withoutNetwork({ namespace, name }: SandboxAnswer): Fault {
  return new Fault("failed", `pod ${namespace}/${name} has no network of ours`, {
    fix: `see k8contivnet why ${namespace}/${name}`,
  });
}
