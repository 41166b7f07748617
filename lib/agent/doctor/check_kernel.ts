// What the kernel has and how much of it is left: kinds of links, tracked connections, open files.

import { nearlyFull } from "../../net/host/hindrances.ts";
import { faultFrom, oneLine } from "../../util/errors.ts";
import type { CheckItem } from "../api/agent_health.ts";
import { type CheckContext, findingsOf, isAlive } from "./findings.ts";
import type { OpenFiles } from "./host_probes.ts";

const { ok, warning, failed } = findingsOf("host");

const CONNECTIONS = ["net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"] as const;
/** From this part of its open files on, a process will soon fail. */
const NEARLY_ALL = 0.9;

/** Checks the kernel and its limits. */
export async function checkKernel(context: CheckContext): Promise<CheckItem[]> {
  const items = await Promise.all([
    linkKindItems(context),
    connectionItems(context),
    fileItems(context),
    watchItems(context),
  ]);
  return items.flat();
}

/** What cannot be tried, such as without root, is not reported: the check of permissions says so. */
async function linkKindItems({ machine, settings }: CheckContext): Promise<CheckItem[]> {
  const kinds = settings.ports === "warm" ? ["macvlan"] : [];
  let missing: readonly string[];
  try {
    missing = await machine.missingLinkKinds(kinds);
  } catch {
    return [];
  }
  if (missing.includes("veth")) {
    const message = "the kernel cannot create veth links, which pods need";
    return [failed("link-kinds", message, "modprobe veth; a kernel needs CONFIG_VETH")];
  }
  if (missing.includes("macvlan")) {
    const message = "the kernel has no macvlan links: ports cannot be added ahead of their pods";
    const fix = "modprobe macvlan (CONFIG_MACVLAN), or start the agent with --ports plain";
    return [warning("link-kinds", message, fix)];
  }
  return [ok("link-kinds", `the kernel has ${["veth", ...kinds].join(" and ")} links`)];
}

async function connectionItems({ machine }: CheckContext): Promise<CheckItem[]> {
  const settings = await machine.kernelSettings(CONNECTIONS).catch(() => ({}));
  const [count, most] = CONNECTIONS.map((key) => (settings as Record<string, string>)[key]);
  if (count === undefined || most === undefined) return [];
  const [full] = nearlyFull(`${count}\n${most}`);
  return [
    full
      ? warning("conntrack", full.what, full.fix)
      : ok("conntrack", `conntrack table: ${count} of ${most} entries`),
  ];
}

/** Open vSwitch has sockets for each port on the userspace datapath, and the agent some for each call. */
async function fileItems(context: CheckContext): Promise<CheckItem[]> {
  const { machine, settings: { ovsRundir } } = context;
  const health = await context.health;
  const agent = isAlive(health) ? machine.openFiles(health.pid) : undefined;
  const vswitchd = machine.openFiles({ pidFile: `${ovsRundir}/ovs-vswitchd.pid` });
  const items = await Promise.all([
    fileItem("all processes", machine.allOpenFiles(), "sysctl -w fs.file-max"),
    fileItem("the agent", agent, "raise LimitNOFILE of k8contivnet.service, or ulimit -n"),
    fileItem("ovs-vswitchd", vswitchd, "raise LimitNOFILE of ovs-vswitchd.service, or ulimit -n"),
  ]);
  const wrong = items.flat();
  return wrong.length > 0 ? wrong : [ok("open-files", "there are enough open files left")];
}

async function fileItem(
  who: string,
  asked: Promise<OpenFiles | undefined> | undefined,
  how: string,
): Promise<CheckItem[]> {
  let files: OpenFiles | undefined;
  try {
    files = await asked;
  } catch (error) {
    const { what } = faultFrom(error);
    const fix = "see what the machine is busy with, and whether /proc can be read";
    return [warning("open-files", `open files of ${who} are not known: ${what}`, fix)];
  }
  if (!files || files.most === 0 || files.used < NEARLY_ALL * files.most) return [];
  const { used, most } = files;
  const fix = `${how}${how.includes("sysctl") ? `=${2 * most}` : ""}, and see what keeps them open`;
  return [failed("open-files", `open files of ${who}: ${used} of at most ${most}`, fix)];
}

/** The kubelet and container runtimes follow folders; at this limit they do not start. */
async function watchItems({ machine, settings: { stateDir } }: CheckContext): Promise<CheckItem[]> {
  if (!await machine.stat(stateDir).catch(() => undefined)) return [];
  try {
    await machine.tryWatching(stateDir);
    return [
      ok(
        "inotify",
        "inotify watches are available: kubelet and container runtimes see changes of their folders at once",
      ),
    ];
  } catch (error) {
    const why = oneLine(error instanceof Error ? error.message : String(error), 80);
    const fix = "sysctl -w fs.inotify.max_user_instances=1024 fs.inotify.max_user_watches=524288";
    return [
      warning(
        "inotify",
        `no inotify watch is available, without which kubelet and container runtimes do not start: ${why}`,
        fix,
      ),
    ];
  }
}
