// Notes of teardowns that cannot be done, as the agent is unreachable: files that it handles at its start and
// every 5 s (agent/server/teardown_notes.ts).

import { notesOf } from "../agent/api/agent_socket.ts";
import { Fault } from "../util/errors.ts";
import type { FaceIo } from "./process_io.ts";

/** One note. */
export interface TeardownNote {
  /** Name of the file. */
  readonly name: string;
  readonly text: string;
  /** What is not done, for messages. */
  readonly what: string;
}

/**
 * Returns the folder for notes to the agent at `socket`. It follows from the socket, unless a caller of version 0.1.0
 * was also configured with the state folder.
 */
export function notesFolder(socket: string, io: Pick<FaceIo, "env">): string {
  const stateDir = io.env("K8CONTIVNET_STATE_DIR");
  return stateDir ? `${stateDir}/teardown` : notesOf(socket);
}

/** Leaves a note in folder `dir`; renamed into place, so that it is never incomplete. Faults: unavailable. */
export async function leaveNote(dir: string, { name, text, what }: TeardownNote): Promise<void> {
  const path = `${dir}/${name}`;
  try {
    await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
    const { isDirectory, uid } = await Deno.lstat(dir);
    if (!isDirectory || uid !== Deno.uid()) {
      throw new Error("the agent reads no other user's folder");
    }
    // Two teardowns of one sandbox may run at once, also in containers that count processes by themselves.
    const draft = `${path}.${crypto.randomUUID()}.new`;
    await Deno.writeTextFile(draft, text, { mode: 0o600 });
    await Deno.rename(draft, path);
  } catch (cause) {
    throw new Fault("unavailable", `${what} is not done`, {
      why: `the agent is unreachable and no note can be written to ${dir}`,
      fix: "start the agent, then tear down again",
      cause,
    });
  }
}
