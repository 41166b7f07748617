// The command line of the host agent: parses the flags and runs the agent until SIGTERM or SIGINT.

import { runAgent } from "../agent/main.ts";
import { serviceManagerFrom } from "../agent/service_manager.ts";
import { installFaultHooks } from "../util/fault_hooks.ts";
import { FAULT_CODES, faultFrom } from "../util/errors.ts";
import { createLog, type Log, type LogLevel } from "../util/log.ts";
import { FLAGS, parseFlags } from "./netplugin_flags.ts";
import { agentOptionsFrom, one } from "./netplugin_options.ts";

/** Runs the agent; returns the exit code, of FAULT_CODES. */
export async function netpluginMain(args: readonly string[]): Promise<number> {
  if (args.some((arg) => ["-h", "--help", "-help"].includes(arg))) {
    console.log(help());
    return 0;
  }
  try {
    const flags = parseFlags(args, {
      env: (name) => Deno.env.get(name),
      readFile: (path) => Deno.readTextFileSync(path),
    });
    const log = createLog({
      level: one(flags, "log-level") as LogLevel,
      format: one(flags, "log-format") as "text" | "json",
    });
    await injectFaults(log);
    const serviceManager = serviceManagerFrom((name) => Deno.env.get(name), Deno.pid);
    const options = { ...await agentOptionsFrom(flags), ...serviceManager && { serviceManager } };
    await runAgent(options, log, stopSignal());
    return 0;
  } catch (error) {
    const fault = faultFrom(error);
    console.error(`k8contivnet netplugin: ${fault.message}`);
    if (fault.code === "failed" && error instanceof Error && error !== fault) {
      console.error(error.stack);
    }
    return FAULT_CODES[fault.code].exit;
  }
}

/** For tests: installs fault injection if the environment names its file. */
async function injectFaults(log: Log): Promise<void> {
  const path = Deno.env.get("K8CONTIVNET_FAULT");
  if (!path) return;
  const { openFaultInjection } = await import("../agent/fault_injection.ts");
  installFaultHooks(openFaultInjection(path, log));
}

function help(): string {
  const lines = FLAGS.map(({ name, value, fallback, help }) =>
    `  --${name} ${value}`.padEnd(33) + ` ${help}${fallback ? ` (${fallback})` : ""}`
  );
  return `k8contivnet netplugin [flags]: configures this host's Open vSwitch as the intent says

${lines.join("\n")}

Each flag can also be set by the environment variable K8CONTIVNET_<FLAG>, e.g. K8CONTIVNET_HOST_LABEL, or as a
key of the --config file; empty and null mean that it is not set. SECONDS can also be written as 90s, 1m30s or
"1min 30s". A flag without a value can be given one there and after =: true, yes, on, 1, or false, no, off, 0.
Runs in the foreground, logs to standard error, stops on SIGTERM.

example: k8contivnet netplugin --host-label host1 --intent intent.json`;
}

/** Returns a signal that aborts on SIGTERM and SIGINT. */
function stopSignal(): AbortSignal {
  const stopping = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(name, () => stopping.abort());
  }
  return stopping.signal;
}
