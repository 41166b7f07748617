// The folder of configurations from which container runtimes choose: they use the first one.

import { oneLine } from "../../util/errors.ts";
import type { Machine } from "./machine.ts";

/** Where runtimes look by default. */
export const CNI_CONFIGS = "/etc/cni/net.d";
/** Where they find the plugins. */
export const CNI_PLUGIN = "/opt/cni/bin/k8contivnet";
/** Folder of the exec plugin, as kubelets look for it by default. */
export const EXEC_PLUGINS = "/usr/libexec/kubernetes/kubelet-plugins/net/exec";

/** Plugins that look for the other end of the pod's interface in the host's namespace. */
const NEED_PAIRS = ["bandwidth"];

/** One configuration of the folder. */
export interface CniConfig {
  readonly name: string;
  /** Types of its plugins. */
  readonly types: readonly string[];
  readonly isOurs: boolean;
  /** Type of a plugin that needs pairs of links, behind ours that may use warm ports. */
  readonly needsPlain?: string;
  /** Why a runtime cannot read it. */
  readonly broken?: string;
}

/** Returns the configurations in the order of their names. Faults: those of list(). */
export async function cniConfigs(machine: Machine): Promise<CniConfig[]> {
  const names = (await machine.list(CNI_CONFIGS))
    .filter((name) => /\.(conf|conflist|json)$/.test(name));
  return await Promise.all(names.map((name) => configOf(machine, name)));
}

/** Reports whether the exec plugin is where kubelets look for it by default. */
export async function hasExecPlugin(machine: Machine): Promise<boolean> {
  return await machine.stat(`${EXEC_PLUGINS}/k8contivnet/k8contivnet`)
    .then((facts) => facts !== undefined, () => false);
}

async function configOf(machine: Machine, name: string): Promise<CniConfig> {
  const unread = { name, types: [], isOurs: /k8contivnet/.test(name) };
  try {
    const text = await machine.readText(`${CNI_CONFIGS}/${name}`);
    if (text.trim() === "") return { ...unread, broken: "it is empty" };
    const { type, plugins = [] } = JSON.parse(text) as {
      readonly type?: string;
      readonly plugins?: readonly { readonly type?: string; readonly ports?: string }[];
    };
    const types = [type, ...plugins.map((one) => one.type)].flatMap((one) => one ?? []);
    const warm = plugins.findIndex((one) => one.type === "k8contivnet" && one.ports === "warm");
    const behind = warm < 0 ? [] : plugins.slice(warm + 1);
    const needsPlain = behind.find((one) => NEED_PAIRS.includes(one.type ?? ""))?.type;
    return {
      ...{ name, types, isOurs: types.includes("k8contivnet") },
      ...needsPlain === undefined ? {} : { needsPlain },
    };
  } catch (error) {
    const broken = oneLine(error instanceof Error ? error.message : String(error), 60);
    return { ...unread, broken };
  }
}
