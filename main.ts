// Chooses the face (lib/faces, lib/cli) by how the program was called, and loads only that one.

/** Verbs with which a kubelet calls its exec plugin. */
const EXEC_VERBS = ["init", "setup", "teardown", "status"];

const [verb = "", ...rest] = Deno.args;

/** Reports whether `status` is the operator's, about the agent, and not a kubelet's, about a pod. */
function isOperatorsStatus(): boolean {
  const [first] = rest;
  return verb === "status" && (first === undefined || first.startsWith("-"));
}

/** Reports whether a container runtime calls its plugin. The face reports a value that is not valid UTF-8. */
function isCniCall(): boolean {
  try {
    return Boolean(Deno.env.get("CNI_COMMAND"));
  } catch {
    return true;
  }
}

/** Returns the name that the file was called by, through a link or not; its shell header passes it on. */
function calledAs(): string {
  const path = Deno.env.get("K8CONTIVNET_ARGV0") ?? "";
  return path.slice(path.lastIndexOf("/") + 1);
}

/** Runs the face; returns the exit code. */
async function runFace(): Promise<number> {
  if (isCniCall()) {
    const { cniMain, cniProcessIo } = await import("./lib/faces/cni.ts");
    return await cniMain(cniProcessIo());
  }
  const isExec = EXEC_VERBS.includes(verb) && !isOperatorsStatus();
  if (isExec || (verb === "help" && EXEC_VERBS.includes(rest[0] ?? ""))) {
    const { execMain } = await import("./lib/faces/exec.ts");
    return await execMain(Deno.args);
  }
  const name = calledAs();
  if (name === "netdcli" || verb === "netdcli") {
    const { netdcliMain } = await import("./lib/faces/netdcli.ts");
    return await netdcliMain(name === "netdcli" ? Deno.args : rest);
  }
  if (name === "netplugin" || verb === "netplugin") {
    const { netpluginMain } = await import("./lib/faces/netplugin.ts");
    return await netpluginMain(name === "netplugin" ? Deno.args : rest);
  }
  const { cliMain } = await import("./lib/cli/cli_main.ts");
  return await cliMain(Deno.args, {
    netplugin: async () => (await import("./lib/faces/netplugin_flags.ts")).FLAGS,
    netdcli: async () => (await import("./lib/faces/netdcli.ts")).NETDCLI_FLAGS,
  });
}

Deno.exit(await runFace());
