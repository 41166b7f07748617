// Who calls this program: a kubelet's plugin folder, and the folders of container runtimes.

import { faultFrom, oneLine } from "../../util/errors.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { CNI_CONFIGS, CNI_PLUGIN, type CniConfig, cniConfigs, EXEC_PLUGINS } from "./cni_folder.ts";
import { type CheckContext, findingsOf } from "./findings.ts";
import type { FileFacts, Machine } from "./machine.ts";

const { ok, failed, warning, fault } = findingsOf("callers");

const EXEC_FOLDER = `${EXEC_PLUGINS}/k8contivnet`;
// The launcher's script at the head of the file says where the program begins, and its checksum.
const LAUNCHER_BYTES = 131_072;
const OFFSET = /k8c_sum=\$\(tail -c \+(\d+) "\$0" \| sha256sum\)/;
const SUM = /\[ "\$\{k8c_sum%% \*\}" = ([0-9a-f]{64}) \]/;

/** Checks the callers' folders. */
export async function checkCni(
  { machine, settings: { ports } }: CheckContext,
): Promise<CheckItem[]> {
  const isWhole = wholeTest(machine);
  const items = await Promise.all([execItems(machine, isWhole), cniItems(machine, isWhole, ports)]);
  return items.flat();
}

async function execItems(machine: Machine, isWhole: WholeTest): Promise<CheckItem[]> {
  try {
    const names = await machine.list(EXEC_FOLDER);
    if (names.length === 0) return [ok("kubelet", "not installed as a kubelet's exec plugin")];
    const others = names.filter((name) => name !== "k8contivnet");
    const items = [await pluginItem(machine, isWhole, "kubelet", `${EXEC_FOLDER}/k8contivnet`)];
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

async function pluginItem(
  machine: Machine,
  isWhole: WholeTest,
  id: string,
  path: string,
): Promise<CheckItem> {
  const facts = await machine.stat(path);
  const fix = "install it again: ./install.sh install";
  if (!facts) {
    const target = await machine.linkTarget(path);
    const why = target === undefined
      ? "does not exist"
      : `leads to ${target}, which does not exist`;
    return failed(id, `${path} ${why}`, fix);
  }
  const whole = facts.kind === "file" ? await isWhole(path, facts) : false;
  if (whole === false) {
    return failed(id, `${path} is incomplete or damaged: ${facts.size} bytes`, fix);
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
  const unknown = whole === undefined ? "; its checksum was not compared: reading it is slow" : "";
  return ok(id, `${path} is installed${unknown}`);
}

/** Reports whether a file is complete; undefined if reading it takes too long. */
type WholeTest = (path: string, facts: FileFacts) => Promise<boolean | undefined>;

/** Returns a test that reads a file once, whatever links lead to it. */
function wholeTest(machine: Machine): WholeTest {
  const answers = new Map<string, Promise<boolean | undefined>>();
  return (path, { inode = path }) => {
    const answer = answers.get(inode) ?? isWholeFile(machine, path).catch((error) => {
      if (faultFrom(error).code === "timeout") return undefined;
      throw error;
    });
    answers.set(inode, answer);
    return answer;
  };
}

/** A file that was copied in part runs from its cache until that is emptied; so its checksum is compared. */
async function isWholeFile(machine: Machine, path: string): Promise<boolean> {
  const launcher = await machine.head(path, LAUNCHER_BYTES);
  const [, offset] = OFFSET.exec(launcher) ?? [];
  const [, sum] = SUM.exec(launcher) ?? [];
  if (offset === undefined || sum === undefined) return false;
  return await machine.checksum(path, Number(offset) - 1) === sum;
}

async function cniItems(
  machine: Machine,
  isWhole: WholeTest,
  ports: string | undefined,
): Promise<CheckItem[]> {
  try {
    const configs = await cniConfigs(machine);
    const ours = configs.filter(({ isOurs }) => isOurs);
    const plugin = await machine.stat(CNI_PLUGIN) ?? await machine.linkTarget(CNI_PLUGIN);
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
      ? [await pluginItem(machine, isWhole, "cni-plugin", CNI_PLUGIN)]
      : [];
    return [...items, ...broken, ...orderItems(configs, ours), ...portItems(ours, ports)];
  } catch (error) {
    return [fault("cni", error, "use sudo")];
  }
}

/** A pod on a warm port has no pair of links for a plugin behind ours. */
function portItems(ours: readonly CniConfig[], ports: string | undefined): CheckItem[] {
  if (ports !== "warm") return [];
  return ours.flatMap(({ name, needsPlain }) => {
    if (needsPlain === undefined) return [];
    const message = `${name} has ${needsPlain} behind ours, which cannot limit pods on warm ports`;
    const fix = `write "ports": "plain" for k8contivnet in ${CNI_CONFIGS}/${name}`;
    return [warning("cni-ports", message, fix)];
  });
}

/** Runtimes use the first file of the folder. */
function orderItems(configs: readonly CniConfig[], ours: readonly CniConfig[]): CheckItem[] {
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
