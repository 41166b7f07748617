// A Docker whose containers are processes of the test: for what a real one does too seldom (a process
// id that is given to somebody else) or cannot be counted (what it is asked).

import { type HandStream, json, serveDocker, streamOf } from "./docker_stub.ts";
import { waitFor } from "./wait.ts";

/** One container of a double. */
export interface DoubleContainer {
  readonly id: string;
  readonly name: string;
  /** 0: it has ended. */
  pid: number;
}

/** A double, served at a unix socket. */
export interface DockerDouble extends AsyncDisposable {
  /** As the agent's `--docker` wants it. */
  readonly address: string;
  readonly containers: DoubleContainer[];
  /** Paths that were asked for. */
  readonly asked: string[];
  /** Sends an event to all who listen. */
  send(action: string, container: DoubleContainer): void;
  /** Cuts the streams of events. */
  cut(): void;
  /** How many streams were opened so far. */
  opened(): number;
}

/** Serves a double without containers. */
export async function startDouble(): Promise<DockerDouble> {
  const containers: DoubleContainer[] = [];
  const asked: string[] = [];
  const streams: HandStream[] = [];
  const stub = await serveDocker((signal, path) => {
    asked.push(path);
    if (path.startsWith("/events")) {
      streams.push(streamOf(signal));
      return streams.at(-1)!.response();
    }
    if (path === "/containers/json") {
      return json(200, containers.filter(({ pid }) => pid > 0).map(listed));
    }
    const id = /^\/containers\/([0-9a-f]+)\/json$/.exec(path)?.[1] ?? "?";
    const found = containers.find((one) => one.id.startsWith(id));
    return found ? json(200, inspected(found)) : json(404, { message: "No such container" });
  });
  return {
    address: `unix:${stub.path}`,
    containers,
    asked,
    send: (action, { id, name }) => {
      const event = { Type: "container", Action: action, Actor: { ID: id, Attributes: { name } } };
      for (const stream of streams) stream.send(`${JSON.stringify(event)}\n`);
    },
    cut: () => {
      for (const stream of streams) stream.end("cut");
    },
    opened: () => streams.length,
    [Symbol.asyncDispose]: () => stub[Symbol.asyncDispose](),
  };
}

function listed({ id, name }: DoubleContainer) {
  return { Id: id, Names: [`/${name}`], Labels: {}, HostConfig: { NetworkMode: "none" } };
}

function inspected({ id, name, pid }: DoubleContainer) {
  return {
    Id: id,
    Name: `/${name}`,
    State: { Running: pid > 0, Pid: pid },
    Config: { Labels: {} },
    HostConfig: { NetworkMode: "none" },
    // Without this file the agent must go by the process's id, as below Docker 1.7.
    NetworkSettings: { SandboxKey: "" },
  };
}

/** A process in a network namespace of its own. */
export interface LoneProcess extends AsyncDisposable {
  readonly pid: number;
  /** Ends it and waits until its id is free. */
  kill(): Promise<void>;
}

/** Starts a process in a namespace of its own, with the process id `pid` where one is given. */
export async function startLone(pid?: number): Promise<LoneProcess> {
  const own = await netnsOf("self");
  for (let tries = 0; tries < 50; tries++) {
    // What is written is the id before the next one; another process may be quicker.
    if (pid !== undefined) await Deno.writeTextFile("/proc/sys/kernel/ns_last_pid", `${pid - 1}`);
    const child = new Deno.Command("unshare", {
      args: ["--net", "sleep", "100000"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const kill = async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It ended already.
      }
      await child.status;
    };
    if (pid === undefined || child.pid === pid) {
      await waitFor("a namespace of its own", async () => await netnsOf(child.pid) !== own);
      return { pid: child.pid, kill, [Symbol.asyncDispose]: kill };
    }
    await kill();
  }
  throw new Error(`no process got the id ${pid}`);
}

async function netnsOf(pid: number | "self"): Promise<number | null> {
  return (await Deno.stat(`/proc/${pid}/ns/net`)).ino;
}
