// Where the agent finds what it works with, left beside its socket: the doctor also reads it when the agent is dead.

import { faultFrom } from "../util/errors.ts";
import type { Log } from "../util/log.ts";
import type { AgentSettings } from "./api/agent_health.ts";
import { settingsFileOf } from "./api/agent_socket.ts";
import type { AgentOptions } from "./options.ts";

/** Returns the settings for others to read: names of files, no contents. */
export function settingsOf(options: AgentOptions): AgentSettings {
  const { hostLabel: host, stateDir, ovsdb, ovsRundir, bridge, docker, uplink, vtepIp, ports } =
    options;
  const { etcdCa, etcdCert, etcdKey, etcdUser, etcdPasswordFile } = options.storeOptions;
  const files = { etcdCa, etcdCert, etcdKey, etcdUser, etcdPasswordFile };
  const hasFiles = Object.values(files).some((one) => one !== undefined);
  return {
    ...{ host, stateDir, ovsdb, ovsRundir, bridge, docker, store: options.store, ports },
    ...hasFiles ? { storeOptions: files } : {},
    ...uplink === undefined ? {} : { uplink },
    ...vtepIp === undefined ? {} : { vtepIp },
    ...options.kube === undefined ? {} : {
      kube: { kubeconfig: options.kube.kubeconfig, isInsecure: options.kube.isInsecure },
    },
  };
}

/**
 * Leaves the path of the agent's socket in its state folder: launchers that find no socket wait for the agent there,
 * when this node has booted.
 */
export async function leaveSocketPath(
  stateDir: string,
  socket: string,
  log: Pick<Log, "warn">,
): Promise<void> {
  const path = `${stateDir}/socket`;
  const text = `${socket}\n`;
  if (await Deno.readTextFile(path).catch(() => undefined) === text) return;
  await leave(path, text, "path of the socket not left for launchers", log);
}

/** Writes the settings for readers that come later; without them the doctor assumes the defaults. */
export async function leaveSettings(
  socket: string,
  settings: AgentSettings,
  log: Pick<Log, "warn">,
): Promise<void> {
  const text = `${JSON.stringify(settings)}\n`;
  await leave(settingsFileOf(socket), text, "settings not left for the doctor", log);
}

async function leave(
  path: string,
  text: string,
  what: string,
  log: Pick<Log, "warn">,
): Promise<void> {
  try {
    await Deno.writeTextFile(`${path}.new`, text, { mode: 0o600 });
    await Deno.rename(`${path}.new`, path);
  } catch (error) {
    log.warn(`${what}: ${faultFrom(error).message}`);
  }
}
