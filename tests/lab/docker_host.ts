// One simulated host with a Docker of its own: what tests of containers and of kubelets run on.

import { type Dockerd, startDockerd } from "./dockerd.ts";
import { type Host, startHost } from "./host.ts";
import { removeFolder } from "./remove_folder.ts";

/** A host and its Docker. */
export interface DockerHost extends AsyncDisposable {
  readonly host: Host;
  readonly dockerd: Dockerd;
}

/** Starts a Docker, and a host whose agent speaks to it, with `intent` applied. */
export async function startDockerHost(
  intent: unknown,
  { flags = [], before = async () => {} }: {
    readonly flags?: readonly string[];
    /** Done when Docker runs and before the agent does. */
    readonly before?: (dockerd: Dockerd) => Promise<void>;
  } = {},
): Promise<DockerHost> {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-docker-" });
  const stack = new AsyncDisposableStack();
  stack.defer(() => removeFolder(dir));
  try {
    const dockerd = stack.use(await startDockerd(dir));
    await before(dockerd);
    const host = stack.use(await startHost(intent, "--docker", dockerd.address, ...flags));
    return { host, dockerd, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}
