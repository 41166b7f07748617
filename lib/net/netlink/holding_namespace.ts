// The namespace that holds the inner ends of warm ports. It has a name, so that it outlives the agent, and the
// agent has it open, so that nothing happens when somebody deletes that name: it is named again.

import { Coalesced } from "../../util/async/coalesced.ts";
import { run } from "../../util/run.ts";
import { faultFrom } from "../../util/errors.ts";
import { sandboxGone } from "../sandbox_checks.ts";
import { HOLDING_FOLDER } from "../warm_links.ts";
import type { Libc } from "./libc.ts";
import {
  checkSandbox,
  inodeOf,
  type OpenFile,
  openOwnNamespace,
  openSandbox,
  openSocketIn,
} from "./netns_sockets.ts";
import { NetlinkSocket } from "./netlink_socket.ts";

/** The holding namespace of one agent. */
export class HoldingNamespace implements Disposable {
  /** Where its name is. */
  readonly netns: string;
  readonly #libc: Libc;
  readonly #name: string;
  readonly #ensured = new Coalesced(() => this.#ensure());
  #file: OpenFile | undefined;
  #inode = 0;

  /** `name` is that of a file in HOLDING_FOLDER. */
  constructor(libc: Libc, name: string) {
    this.#libc = libc;
    this.#name = name;
    this.netns = `${HOLDING_FOLDER}/${name}`;
  }

  [Symbol.dispose](): void {
    this.#file?.[Symbol.dispose]();
    this.#file = undefined;
  }

  /** Creates, opens or names it again, as needed. Faults: failed, where something else has its name. */
  async ensure(): Promise<void> {
    if (!this.#file || !this.#isNamed()) await this.#ensured.run();
  }

  async #ensure(): Promise<void> {
    if (this.#file && this.#isNamed()) return;
    if (this.#file) return await this.#nameAgain(this.#file);
    this.#file = this.#tryOpen() ?? await this.#create();
  }

  /** Opens a socket in it. Faults: not_found, before ensure(). */
  openSocket(): NetlinkSocket {
    const file = this.#file;
    if (!file) throw sandboxGone(this.netns, "it is not open");
    using own = openOwnNamespace(this.#libc);
    return new NetlinkSocket(
      this.#libc,
      openSocketIn(this.#libc, own, { file, netns: this.netns }),
    );
  }

  /** The open namespace. Faults: not_found, before ensure(). */
  get fd(): number {
    if (!this.#file) throw sandboxGone(this.netns, "it is not open");
    return this.#file.fd;
  }

  #tryOpen(): OpenFile | undefined {
    try {
      return this.#open();
    } catch (error) {
      if (faultFrom(error).code !== "not_found") throw error;
      return undefined;
    }
  }

  #open(): OpenFile {
    using own = openOwnNamespace(this.#libc);
    const file = openSandbox(this.#libc, own, { netns: this.netns });
    this.#inode = inodeOf(this.#libc, file);
    return file;
  }

  async #create(): Promise<OpenFile> {
    // What is left of the name after a reboot is an empty file.
    await run("ip", ["netns", "delete", this.#name]).catch(() => {});
    await run("ip", ["netns", "add", this.#name]);
    return this.#open();
  }

  #isNamed(): boolean {
    using own = openOwnNamespace(this.#libc);
    try {
      checkSandbox(this.#libc, own, { netns: this.netns, netnsInode: this.#inode });
      return true;
    } catch (error) {
      if (faultFrom(error).code !== "not_found") throw error;
      return false;
    }
  }

  // iproute2 names namespaces of processes only, and mount cannot follow a link in /proc/PID/fd.
  async #nameAgain({ fd }: OpenFile): Promise<void> {
    await run("ip", ["netns", "delete", this.#name]).catch(() => {});
    await run("nsenter", ["--", "touch", this.netns]);
    const mount = ["mount", "--bind", "/proc/self/ns/net", this.netns];
    await run("nsenter", [`--net=/proc/${Deno.pid}/fd/${fd}`, ...mount]);
  }
}
