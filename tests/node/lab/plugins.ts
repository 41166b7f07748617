// CNI plugins and configurations of one machine, in folders of its own, with a log of the calls and with
// faults on demand.

import { FILE } from "../../lab/host.ts";

/** One call of a plugin, as it ended. */
export interface PluginCall {
  /** When it began, in milliseconds since 1970. */
  readonly at: number;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** Name of the plugin. */
  readonly plugin: string;
  readonly command: string;
  readonly containerId: string;
  readonly ifname: string;
  /** Path of the namespace; `gone` if nothing was there, empty if the runtime passed none. */
  readonly netns: string;
  readonly hasPrevResult: boolean;
  readonly code: number;
  readonly args: string;
}

/** Where Debian has the reference plugins. */
const DEBIAN = "/usr/lib/cni";
const WRAPPER = new URL("plugin_log.sh", import.meta.url);

/** The plugins of one machine. */
export class Plugins {
  /** Folder of the plugins. */
  readonly bin: string;
  /** Folder of the configurations. */
  readonly conf: string;
  readonly #dir: string;

  private constructor(dir: string) {
    this.#dir = dir;
    this.bin = `${dir}/bin`;
    this.conf = `${dir}/net.d`;
  }

  /** Makes the folders in `dir` with our file, and Debian's `loopback` and those named in `more`. */
  static async make(dir: string, more: readonly string[] = []): Promise<Plugins> {
    const plugins = new Plugins(dir);
    for (const folder of ["bin", "net.d", "real", "faults"]) {
      await Deno.mkdir(`${dir}/${folder}`, { recursive: true });
    }
    await Deno.symlink(`${DEBIAN}/loopback`, `${dir}/bin/loopback`);
    const wrapper = (await Deno.readTextFile(WRAPPER)).replaceAll("LOG", `${dir}/calls`)
      .replaceAll("FAULTS", `${dir}/faults`).replaceAll("REAL", `${dir}/real`);
    await Deno.writeTextFile(`${dir}/log.sh`, wrapper, { mode: 0o755 });
    for (
      const file of [
        FILE,
        ...more.map((name) => `${DEBIAN}/${name}`),
      ]
    ) {
      const name = file.slice(file.lastIndexOf("/") + 1);
      await Deno.symlink(file, `${dir}/real/${name}`);
      await Deno.symlink(`${dir}/log.sh`, `${dir}/bin/${name}`);
    }
    return plugins;
  }

  /**
   * Writes a configuration as an installer does, by rename within the folder: containerd (1.6 to 2.1) looks
   * at the folder again when a file there is written, renamed or removed, not when one is created, which
   * is all that it sees of a file that comes from elsewhere.
   */
  async configure(file: string, list: unknown): Promise<void> {
    const text = typeof list === "string" ? list : JSON.stringify(list);
    await Deno.writeTextFile(`${this.conf}/.new`, text);
    await Deno.rename(`${this.conf}/.new`, `${this.conf}/${file}`);
  }

  /** Removes a configuration. */
  async removeConfiguration(file: string): Promise<void> {
    await Deno.remove(`${this.conf}/${file}`);
  }

  /** Makes every call of a command run a script first; see plugin_log.sh. Undefined ends that, if there is one. */
  async fault(command: string, script: string | undefined): Promise<void> {
    const file = `${this.#dir}/faults/${command}`;
    if (script === undefined) return await Deno.remove(file).catch(() => {});
    await Deno.writeTextFile(`${this.#dir}/new.fault`, script);
    await Deno.rename(`${this.#dir}/new.fault`, file);
  }

  /** Returns the calls of one plugin that have ended, the oldest first: all, or those of one container. */
  async calls(
    { of: containerId, plugin = "k8contivnet" }: {
      readonly of?: string;
      readonly plugin?: string;
    } = {},
  ): Promise<PluginCall[]> {
    const text = await Deno.readTextFile(`${this.#dir}/calls`).catch(() => "");
    const calls = text.split("\n").filter((line) => line !== "").map(parse);
    return calls.filter((call) =>
      call.plugin === plugin && call.command !== "VERSION" &&
      (containerId === undefined || call.containerId === containerId)
    );
  }
}

function parse(line: string): PluginCall {
  const [at, ended, plugin, command, containerId, ifname, netns, previous, code, args] = line.split(
    "\t",
  );
  return {
    at: Number(at),
    ms: Number(ended) - Number(at),
    plugin: plugin ?? "",
    command: command ?? "",
    containerId: containerId ?? "",
    ifname: ifname ?? "",
    netns: netns ?? "",
    hasPrevResult: previous === "with",
    code: Number(code),
    args: args ?? "",
  };
}

/** Returns our configuration as the installer writes it; `more` are keys of the plugin. */
export function ourConfiguration(more: Readonly<Record<string, unknown>> = {}) {
  return {
    cniVersion: "1.0.0",
    cniVersions: ["0.4.0", "1.0.0", "1.1.0"],
    name: "k8contivnet",
    plugins: [{
      type: "k8contivnet",
      ports: "warm",
      capabilities: {
        "io.kubernetes.cri.pod-annotations": true,
        dns: true,
        portMappings: true,
      },
      ...more,
    }],
  };
}

/** Returns a configuration of Debian's bridge with addresses from a folder. */
export function bridgeConfiguration(name: string, subnet: string) {
  const ipam = { type: "host-local", ranges: [[{ subnet }]], dataDir: `/var/lib/cni/${name}` };
  const plugin = { type: "bridge", bridge: `br-${name}`, isGateway: true, ipam };
  return { cniVersion: "1.0.0", name, plugins: [plugin] };
}

/** Returns the calls in one word each: `ADD`, `DEL`, `DEL()` without namespace, `DEL+` with prevResult. */
export function describeCalls(calls: readonly PluginCall[]): string[] {
  return calls.map(({ command, netns, hasPrevResult, code }) => {
    const words = [command, netns === "" ? "()" : "", hasPrevResult ? "+" : ""];
    return words.join("") + (code === 0 ? "" : `!${code}`);
  });
}
