// Plugins to compare with, called as a container runtime calls them.

const HOST_LOCAL = "/usr/lib/cni";

/** Calls one plugin of others. */
export class Peer {
  readonly #file: string;
  readonly #config: string;

  constructor(file: string, config: Readonly<Record<string, unknown>>) {
    this.#file = file;
    this.#config = JSON.stringify({ cniVersion: "0.4.0", name: "peer", ...config });
  }

  /** Debian's containernetworking-plugins: bridge with host-local, on a Linux bridge of its own. */
  static bridge(dir: string): Peer {
    return new Peer(`${HOST_LOCAL}/bridge`, {
      type: "bridge",
      bridge: "peerbr0",
      ipam: hostLocal(dir, "10.7.0.0/16"),
    });
  }

  /** The plugin ovs of ovs-cni with host-local, on a bridge of the Open vSwitch with socket `dbSocket`. */
  static ovsCni(file: string, dir: string, bridge: string, dbSocket: string): Peer {
    return new Peer(file, {
      type: "ovs",
      bridge,
      vlan: 100,
      socket_file: `unix:${dbSocket}`,
      ipam: hostLocal(dir, "10.6.0.0/16"),
    });
  }

  /** Runs ADD or DEL for the sandbox at /run/netns/<id>. */
  async call(command: "ADD" | "DEL", id: string): Promise<void> {
    const child = new Deno.Command(this.#file, {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: id,
        CNI_NETNS: `/run/netns/${id}`,
        CNI_IFNAME: "eth0",
        CNI_PATH: HOST_LOCAL,
      },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(this.#config));
    await writer.close();
    const { success, stdout } = await child.output();
    if (!success) throw new Error(`${command}: ${new TextDecoder().decode(stdout)}`);
  }
}

function hostLocal(dir: string, subnet: string): unknown {
  return { type: "host-local", subnet, dataDir: `${dir}/ipam` };
}
