// Whether the kubelet and the container runtimes of this host look for the plugin where it is.

import type { CheckItem } from "../api/agent_health.ts";
import { CNI_CONFIGS, cniConfigs, EXEC_PLUGINS, hasExecPlugin } from "./cni_folder.ts";
import { type CheckContext, findingsOf } from "./findings.ts";
import type { Machine } from "./machine.ts";

const { ok, warning, failed } = findingsOf("callers");

/** Checks the flags of the kubelet, and the folders of container runtimes. */
export async function checkKubelet({ machine }: CheckContext): Promise<CheckItem[]> {
  const isCni = (await cniConfigs(machine).catch(() => [])).some(({ isOurs }) => isOurs);
  const isExec = await hasExecPlugin(machine);
  const [kubelet] = await machine.processes("kubelet").catch(() => []);
  return [
    ...kubelet ? await kubeletItems(machine, flagsOf(kubelet), { isCni, isExec }) : [],
    ...isCni ? await runtimeItems(machine) : [],
  ];
}

type Flags = Readonly<Record<string, string>>;

/** Returns the flags of a command by their names with dashes: kubelets take underscores, too. */
function flagsOf([, ...words]: readonly string[]): Flags {
  const flags: Record<string, string> = {};
  words.forEach((word, at) => {
    const [, name, value] = /^--?([\w-]+)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === undefined) return;
    const next = words[at + 1] ?? "";
    flags[name.replaceAll("_", "-")] = value ?? (next.startsWith("-") ? "" : next);
  });
  return flags;
}

async function kubeletItems(
  machine: Machine,
  flags: Flags,
  { isCni, isExec }: { readonly isCni: boolean; readonly isExec: boolean },
): Promise<CheckItem[]> {
  const plugin = flags["network-plugin"];
  if (plugin === "k8contivnet") return await execItems(machine, flags);
  if (plugin === "cni" && isCni) return cniItems(flags);
  if (isCni || !isExec) return [ok("kubelet-flags", `kubelet with ${words(plugin)}`)];
  // Installed for kubelets up to 1.5, which do not know CNI as we need it.
  const message = `the kubelet runs with ${words(plugin)} and does not use the installed plugin`;
  return [warning("kubelet-flags", message, "start it with --network_plugin=k8contivnet")];
}

function words(plugin: string | undefined): string {
  return plugin === undefined ? "no --network-plugin" : `--network-plugin=${plugin}`;
}

async function execItems(machine: Machine, flags: Flags): Promise<CheckItem[]> {
  const folder = (flags["network-plugin-dir"] || `${EXEC_PLUGINS}/`).replace(/\/+$/, "");
  const path = `${folder}/k8contivnet/k8contivnet`;
  if (await machine.stat(path).catch(() => undefined)) {
    return [ok("kubelet-flags", `the kubelet uses ${path}`)];
  }
  const message = `the kubelet runs with --network-plugin=k8contivnet and looks for ${path}, ` +
    "which does not exist";
  return [
    failed(
      "kubelet-flags",
      message,
      `./install.sh install, or --network-plugin-dir=${EXEC_PLUGINS}`,
    ),
  ];
}

function cniItems(flags: Flags): CheckItem[] {
  const folder = (flags["cni-conf-dir"] || CNI_CONFIGS).replace(/\/+$/, "");
  if (folder === CNI_CONFIGS) return [ok("kubelet-flags", `the kubelet reads ${folder}`)];
  return [elsewhere("kubelet-flags", "the kubelet", folder, `start it with --cni-conf-dir`)];
}

function elsewhere(id: string, who: string, folder: string, how: string): CheckItem {
  const message = `${who} reads configurations in ${folder}; ours is in ${CNI_CONFIGS}`;
  return failed(id, message, `${how}=${CNI_CONFIGS}, or copy ours to ${folder}`);
}

/** Configuration files of runtimes with the key of their folder; its value may be a list's. */
const RUNTIMES = [
  { name: "containerd", file: "/etc/containerd/config.toml", key: "conf_dir" },
  { name: "CRI-O", file: "/etc/crio/crio.conf", key: "network_dir" },
] as const;

async function runtimeItems(machine: Machine): Promise<CheckItem[]> {
  const items = await Promise.all(RUNTIMES.map(async ({ name, file, key }) => {
    const text = await machine.readText(file).catch(() => "");
    const folder = new RegExp(`^\\s*${key}\\s*=\\s*["']([^"']+)["']`, "m").exec(text)?.[1];
    if (folder === undefined || folder.replace(/\/+$/, "") === CNI_CONFIGS) return [];
    return [elsewhere("runtime-folder", name, folder, `in ${file}: ${key} `)];
  }));
  return items.flat();
}
