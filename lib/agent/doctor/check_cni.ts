// Who calls this program: a kubelet's plugin folder, and the folders of container runtimes.

import { oneLine } from "../../util/errors.ts";
import type { CheckItem } from "../api.ts";
import { type CheckContext, findingsOf } from "./findings.ts";
import type { Machine } from "./machine.ts";

const { ok, warning, failed, fault } = findingsOf("callers");

const EXEC_FOLDER = "/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet";
const CNI_CONFIGS = "/etc/cni/net.d";
const CNI_PLUGIN = "/opt/cni/bin/k8contivnet";
// The launcher alone has more; what is shorter was not copied completely.
const LEAST_BYTES = 1_000_000;

/** Checks the callers' folders. */
export async function checkCni({ machine }: CheckContext): Promise<CheckItem[]> {
  return [...await execItems(machine), ...await cniItems(machine)];
}

async function execItems(machine: Machine): Promise<CheckItem[]> {
  try {
    const names = await machine.list(EXEC_FOLDER);
    if (names.length === 0) return [ok("kubelet", "not installed as a kubelet's exec plugin")];
    const others = names.filter((name) => name !== "k8contivnet");
    const items = [await pluginItem(machine, "kubelet", `${EXEC_FOLDER}/k8contivnet`)];
    if (others.length > 0) {
      const message = `${EXEC_FOLDER} has other files: ${oneLine(others.join(", "), 60)}`;
      items.push(
        warning("kubelet-folder", message, "remove them: half-installed files stay there"),
      );
    }
    return items;
  } catch (error) {
    return [fault("kubelet", error, "use sudo")];
  }
}

async function pluginItem(machine: Machine, id: string, path: string): Promise<CheckItem> {
  const facts = await machine.stat(path);
  const fix = "install it again: ./install.sh install";
  if (!facts) return failed(id, `${path} does not exist`, fix);
  if (facts.kind !== "file" || facts.size < LEAST_BYTES) {
    return failed(id, `${path} is incomplete: ${facts.size} bytes`, fix);
  }
  if ((facts.mode & 0o111) === 0) {
    return failed(id, `${path} is not executable`, `chmod 0755 ${path}`);
  }
  if (facts.uid !== 0 || facts.mode & 0o022) {
    const message = `${path} may be changed by others: user ${facts.uid}, mode ${
      facts.mode.toString(8)
    }`;
    return failed(id, message, `chown root ${path} && chmod 0755 ${path}`);
  }
  return ok(id, `${path} is installed`);
}

/** One configuration of the folder. */
interface Config {
  readonly name: string;
  readonly isOurs: boolean;
  /** Why a runtime cannot read it. */
  readonly broken?: string;
}

async function cniItems(machine: Machine): Promise<CheckItem[]> {
  try {
    const names = (await machine.list(CNI_CONFIGS))
      .filter((name) => /\.(conf|conflist|json)$/.test(name));
    const configs = await Promise.all(names.map((name) => configOf(machine, name)));
    const ours = configs.filter(({ isOurs }) => isOurs);
    const plugin = await machine.stat(CNI_PLUGIN);
    const broken = configs.filter((one) => one.broken !== undefined).map(({ name, broken }) =>
      failed(
        "cni-config",
        `${CNI_CONFIGS}/${name} cannot be read: ${broken}`,
        "write it anew; runtimes refuse all pods until then",
      )
    );
    if (ours.length === 0 && broken.length === 0) {
      return [ok("cni", "not installed as a CNI plugin")];
    }
    const items = ours.length > 0 || plugin
      ? [await pluginItem(machine, "cni-plugin", CNI_PLUGIN)]
      : [];
    return [...items, ...broken, ...orderItems(configs, ours)];
  } catch (error) {
    return [fault("cni", error, "use sudo")];
  }
}

/** Runtimes use the first file of the folder. */
function orderItems(configs: readonly Config[], ours: readonly Config[]): CheckItem[] {
  const [first] = configs;
  const [own, ...others] = ours;
  if (!own || !first) return [];
  if (others.length > 0) {
    const list = ours.map(({ name }) => name).join(" and ");
    return [
      failed(
        "cni-order",
        `two configurations are ours: ${list}`,
        `remove ${CNI_CONFIGS}/${others[0]?.name}`,
      ),
    ];
  }
  if (first !== own) {
    return [failed(
      "cni-order",
      `runtimes use ${first.name}, which comes before our ${own.name}`,
      `remove ${CNI_CONFIGS}/${first.name}, or give ours a name that comes first`,
    )];
  }
  return [ok("cni-order", `${CNI_CONFIGS}/${own.name} comes first`)];
}

async function configOf(machine: Machine, name: string): Promise<Config> {
  try {
    const text = await machine.readText(`${CNI_CONFIGS}/${name}`);
    if (text.trim() === "") {
      return { name, isOurs: /k8contivnet/.test(name), broken: "it is empty" };
    }
    const { type, plugins = [] } = JSON.parse(text) as {
      readonly type?: string;
      readonly plugins?: readonly { readonly type?: string }[];
    };
    return { name, isOurs: [type, ...plugins.map((one) => one.type)].includes("k8contivnet") };
  } catch (error) {
    const broken = oneLine(error instanceof Error ? error.message : String(error), 60);
    return { name, isOurs: /k8contivnet/.test(name), broken };
  }
}
