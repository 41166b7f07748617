// A container of a real Docker, looked at from outside: what its network namespace holds.

import type { Dockerd } from "./dockerd.ts";
import { isAnswered, PING_LIMIT } from "./pod.ts";
import { waitFor } from "./wait.ts";
import { hangSignal } from "./limits.ts";

/** A container that was started. */
export class LabContainer {
  readonly id: string;
  readonly name: string;
  readonly #dockerd: Dockerd;

  constructor(dockerd: Dockerd, id: string, name: string) {
    this.#dockerd = dockerd;
    this.id = id;
    this.name = name;
  }

  /** Its process's id; 0 where it does not run. */
  async pid(): Promise<number> {
    return Number(await this.#dockerd.docker("inspect", "-f", "{{.State.Pid}}", this.id));
  }

  /** Runs a command of this machine in its network namespace. */
  async run(cmd: string, ...args: string[]): Promise<{ code: number; text: string }> {
    const netns = `--net=/proc/${await this.pid()}/ns/net`;
    const { code, stdout, stderr } = await new Deno.Command("nsenter", {
      args: [netns, "--", cmd, ...args],
      stdin: "null",
      signal: hangSignal(30_000),
    }).output();
    const decoder = new TextDecoder();
    return { code, text: decoder.decode(stdout) + decoder.decode(stderr) };
  }

  /** Reports whether one ping is answered, however late: for tests that expect it. */
  reaches(address: string): Promise<boolean> {
    return isAnswered((...args) => this.run(...args), address);
  }

  /** Reports whether one ping is answered within a second of the reference machine. */
  async pings(address: string): Promise<boolean> {
    return (await this.run("ping", "-c1", PING_LIMIT, "-q", address)).code === 0;
  }

  /** Returns its IPv4 addresses as `eth0 10.9.0.1/16`, without the loopback's. */
  async addresses(): Promise<string[]> {
    const { text } = await this.run("ip", "-j", "-4", "address");
    const links = JSON.parse(text || "[]") as {
      ifname: string;
      addr_info: { local: string; prefixlen: number }[];
    }[];
    return links.filter(({ ifname }) => ifname !== "lo").flatMap((link) =>
      link.addr_info.map(({ local, prefixlen }) => `${link.ifname} ${local}/${prefixlen}`)
    ).sort();
  }

  /** Waits until it has just these addresses. */
  async has(...wanted: string[]): Promise<void> {
    await waitFor(`${this.name} to have ${wanted.join(", ") || "no address"}`, async () => {
      return (await this.addresses()).join() === wanted.toSorted().join();
    }, { limitMs: 20_000, everyMs: 50 });
  }

  /** Ends and removes it. */
  async remove(): Promise<void> {
    await this.#dockerd.docker("rm", "-f", this.id);
  }
}

/** Starts a container of that name; `words` are flags of docker run. */
export async function startContainer(
  dockerd: Dockerd,
  name: string,
  ...words: string[]
): Promise<LabContainer> {
  return new LabContainer(dockerd, await dockerd.runContainer("--name", name, ...words), name);
}
