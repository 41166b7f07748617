// The contract's benches for the runtimes of a real host: with a Docker of its own, and without one.
// Root only.

import { openRuntimes } from "../../lib/runtimes/open_runtimes.ts";
import { run } from "../../lib/util/run.ts";
import { scaled } from "../lab/limits.ts";
import { type Dockerd, startDockerd } from "../lab/dockerd.ts";
import { randomHex } from "../lab/pod.ts";
import type { NewContainer, RuntimesBench } from "./runtimes_contract.ts";

const NAMESPACES: Pick<RuntimesBench, "addNamespace" | "deleteNamespace"> = {
  addNamespace: async (name, which = "new") => {
    const [verb, ...rest] = which === "new" ? ["add"] : ["attach", String(Deno.pid)];
    await run("ip", ["netns", verb!, name, ...rest]);
  },
  deleteNamespace: async (name) => void await run("ip", ["netns", "del", name]),
};

/** Returns a bench with the named namespaces of this host alone. */
export function startNamespacesBench(): Promise<RuntimesBench> {
  const runtimes = openRuntimes({ docker: "none" });
  const none = () => Promise.reject(new Error("this bench has no containers"));
  return Promise.resolve({
    ...{ ...NAMESPACES, runtimes, impatient: runtimes },
    ...{ startContainer: none, killContainer: none, restartContainer: none, renameContainer: none },
    ...{ placeOf: none, silence: none, answer: none },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
}

/** Starts a Docker. */
export async function startDockerBench(): Promise<RuntimesBench> {
  const dir = await Deno.makeTempDir();
  const dockerd = await startDockerd(dir);
  let [kept, silent]: [string[], "hang" | "kill" | undefined] = [[], undefined];
  const pidOf = async (id: string) =>
    Number(await dockerd.docker("inspect", "-f", "{{.State.Pid}}", id));
  return {
    ...NAMESPACES,
    runtimes: openRuntimes({ docker: dockerd.address }),
    impatient: openRuntimes({ docker: dockerd.address, limitMs: scaled(1_000) }),
    startContainer: (container) => dockerd.runContainer(...flagsOf(container)),
    killContainer: async (id) => void await dockerd.docker("kill", id),
    restartContainer: async (id) => {
      // Kept, so that the kernel does not give its inode number to the next one.
      const name = `kept-${randomHex(8)}`;
      await run("ip", ["netns", "attach", name, String(await pidOf(id))]);
      kept.push(name);
      await dockerd.docker("restart", "-t", "0", id);
    },
    renameContainer: async (id, name) => void await dockerd.docker("rename", id, name),
    placeOf: async (id) => {
      const pid = await pidOf(id);
      const { ino } = await Deno.stat(`/proc/${pid}/ns/net`);
      return { pid, netnsInode: ino ?? 0 };
    },
    silence: async (how) => {
      silent = how;
      if (how === "hang") dockerd.freeze();
      else await dockerd.kill();
    },
    answer: async () => {
      if (silent === "hang") dockerd.thaw();
      else await dockerd.start();
    },
    [Symbol.asyncDispose]: async () => {
      for (const name of kept.splice(0)) await run("ip", ["netns", "del", name]);
      await end(dockerd, dir);
    },
  };
}

function flagsOf({ name, labels = {}, network = "own" }: NewContainer = {}): string[] {
  return [
    ...name === undefined ? [] : ["--name", name],
    ...Object.entries(labels).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    ...network === "own"
      ? []
      : [`--net=${network === "host" ? network : `container:${network.of}`}`],
  ];
}

async function end(dockerd: Dockerd, dir: string): Promise<void> {
  await dockerd.stop();
  await Deno.remove(dir, { recursive: true });
}
