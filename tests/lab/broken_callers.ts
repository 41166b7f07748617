// Ways to break what calls the plugin, for `doctor`: files that are installed in part, configurations, a kubelet's flags,
// links of others. The folders are the lab's own.

import { type Broken, coverFolders } from "./doctor.ts";
import { FILE, type Host } from "./host.ts";
import { run } from "./run.ts";
import { waitFor } from "./wait.ts";

const EXEC = "/usr/libexec/kubernetes/kubelet-plugins/net/exec/k8contivnet";
const PLUGIN = "/opt/cni/bin/k8contivnet";
const CONFIGS = "/etc/cni/net.d";
const OURS = `${CONFIGS}/10-k8contivnet.conflist`;
const CONFIG = '{"cniVersion":"1.0.0","name":"k8contivnet","plugins":[{"type":"k8contivnet"}]}';

/** Installs the file as an exec plugin and as a CNI plugin, until the end. */
export async function installHere(): Promise<AsyncDisposable> {
  const folders = await coverFolders("/usr/libexec", "/opt", "/etc/cni", "/etc/containerd");
  try {
    for (const folder of [EXEC, "/opt/cni/bin", CONFIGS]) {
      await Deno.mkdir(folder, { recursive: true });
    }
    await Deno.copyFile(FILE, `${EXEC}/k8contivnet`);
    await Deno.symlink(`${EXEC}/k8contivnet`, PLUGIN);
    await Deno.writeTextFile(OURS, CONFIG);
    return folders;
  } catch (error) {
    await folders[Symbol.asyncDispose]();
    throw error;
  }
}

async function written(path: string, text: string): Promise<() => Promise<void>> {
  const before = await Deno.readTextFile(path).catch(() => undefined);
  await Deno.writeTextFile(path, text);
  return () => before === undefined ? Deno.remove(path) : Deno.writeTextFile(path, before);
}

async function linked(name: string): Promise<() => Promise<string>> {
  await run("ip", ["link", "add", name, "type", "bridge"]);
  return () => run("ip", ["link", "delete", name]);
}

/** Starts something that has the name and the flags of a kubelet. */
async function kubelet(...flags: readonly string[]): Promise<() => Promise<unknown>> {
  const child = new Deno.Command("bash", {
    args: ["-c", 'exec -a kubelet bash -c "read -r _; :" kubelet "$@"', "bash", ...flags],
    stdin: "piped",
  }).spawn();
  const line = `/proc/${child.pid}/cmdline`;
  await waitFor("its name", async () => (await Deno.readTextFile(line)).startsWith("kubelet\0"));
  return async () => {
    await child.stdin.close();
    return await child.status;
  };
}

/** On a host with installHere(). */
export const BROKEN_CALLERS: readonly Broken<Host>[] = [
  {
    what: "a file of which only the first half was copied",
    make: async () => {
      const { size } = await Deno.stat(FILE);
      await Deno.truncate(`${EXEC}/k8contivnet`, Math.floor(size / 2));
      return () => Deno.copyFile(FILE, `${EXEC}/k8contivnet`);
    },
    finds: "failed kubelet",
    says: /incomplete or damaged: \d+ bytes; install it again/,
  },
  {
    what: "a file with one wrong byte",
    make: async () => {
      using file = await Deno.open(`${EXEC}/k8contivnet`, { write: true });
      await file.seek(30_000_000, Deno.SeekMode.Start);
      await file.write(new TextEncoder().encode("wrong"));
      return () => Deno.copyFile(FILE, `${EXEC}/k8contivnet`);
    },
    finds: "failed cni-plugin",
    says: /incomplete or damaged: \d+ bytes; install it again/,
  },
  {
    what: "what an interrupted copy has left in the plugin's folder",
    make: () => written(`${EXEC}/k8contivnet.new`, "half"),
    finds: "warning kubelet-folder",
    says: /has other files: k8contivnet\.new; remove them/,
  },
  {
    what: "a plugin that is not executable",
    make: async () => {
      await Deno.chmod(`${EXEC}/k8contivnet`, 0o644);
      return () => Deno.chmod(`${EXEC}/k8contivnet`, 0o755);
    },
    finds: "failed kubelet",
    says: /not executable; chmod 0755/,
  },
  {
    what: "a link to a plugin that is gone",
    make: async () => {
      await Deno.remove(PLUGIN);
      await Deno.symlink("/nowhere/k8contivnet", PLUGIN);
      return async () => {
        await Deno.remove(PLUGIN);
        await Deno.symlink(`${EXEC}/k8contivnet`, PLUGIN);
      };
    },
    finds: "failed cni-plugin",
    says: /leads to \/nowhere\/k8contivnet, which does not exist; install it again/,
  },
  {
    what: "another plugin's configuration that comes first",
    make: () => written(`${CONFIGS}/05-bridge.conf`, '{"type":"bridge"}'),
    finds: "failed cni-order",
    says: /use 05-bridge\.conf, which comes before our 10-k8contivnet.*; remove .*05-bridge/,
  },
  {
    what: "two configurations of ours",
    make: () => written(`${CONFIGS}/20-k8contivnet.conf`, '{"type":"k8contivnet"}'),
    finds: "failed cni-order",
    says: /two configurations are ours: .*; remove .*20-k8contivnet/,
  },
  {
    what: "bandwidth behind ours, whose pods are on warm ports",
    make: () => {
      const ours = '"k8contivnet","ports":"warm"},{"type":"bandwidth"}';
      return written(OURS, CONFIG.replace('"k8contivnet"}', ours));
    },
    finds: "warning cni-ports",
    says: /has bandwidth behind ours, .*; write "ports": "plain" for k8contivnet in .*conflist/,
  },
  {
    what: "a configuration that is half written",
    make: () => written(OURS, CONFIG.slice(0, 40)),
    finds: "failed cni-config",
    says: /cannot be read: .*; write it anew/,
  },
  {
    what: "a kubelet that uses another plugin than the installed one",
    make: async () => {
      await Deno.remove(OURS);
      const end = await kubelet("--network-plugin=kubenet");
      return async () => {
        await end();
        await Deno.writeTextFile(OURS, CONFIG);
      };
    },
    finds: "warning kubelet-flags",
    says: /--network-plugin=kubenet .*; start it with --network_plugin=k8contivnet/,
  },
  {
    what: "a kubelet that looks for plugins elsewhere",
    make: () => kubelet("--network_plugin=k8contivnet", "--network-plugin-dir", "/plugins"),
    finds: "failed kubelet-flags",
    says: /looks for \/plugins\/k8contivnet\/k8contivnet, which does not exist; .*install/,
  },
  {
    what: "a kubelet that reads configurations elsewhere",
    make: () => kubelet("--network-plugin=cni", "--cni-conf-dir=/etc/other"),
    finds: "failed kubelet-flags",
    says: /the kubelet reads configurations in \/etc\/other; .*--cni-conf-dir/,
  },
  {
    what: "a containerd that reads configurations elsewhere",
    make: () => written("/etc/containerd/config.toml", '[cni]\n  conf_dir = "/etc/other"\n'),
    finds: "failed runtime-folder",
    says: /containerd reads configurations in \/etc\/other; .*config\.toml/,
  },
  {
    what: "links that flannel has left",
    make: () => linked("flannel.1"),
    finds: "warning leftovers",
    says: /flannel are left.*; ip link delete flannel\.1/,
  },
];
