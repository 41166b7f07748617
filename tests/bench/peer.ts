// The plugin to compare with: Debian's containernetworking-plugins, bridge with host-local IPAM, called as
// a container runtime calls it.

/** Calls the reference plugin, which uses a Linux bridge of its own. */
export class Peer {
  readonly #config: string;

  constructor(dir: string) {
    this.#config = JSON.stringify({
      cniVersion: "0.4.0",
      name: "peer",
      type: "bridge",
      bridge: "peerbr0",
      ipam: { type: "host-local", subnet: "10.7.0.0/16", dataDir: `${dir}/ipam` },
    });
  }

  /** Runs ADD or DEL for the sandbox at /run/netns/<id>. */
  async call(command: "ADD" | "DEL", id: string): Promise<void> {
    const child = new Deno.Command("/usr/lib/cni/bridge", {
      env: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: id,
        CNI_NETNS: `/run/netns/${id}`,
        CNI_IFNAME: "eth0",
        CNI_PATH: "/usr/lib/cni",
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
