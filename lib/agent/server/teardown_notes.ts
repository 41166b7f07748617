// Teardowns and DELs that were asked for while the agent was unreachable: one note each, in the folder beside the agent's
// socket. A caller that knows the socket thereby knows the folder. Notes in /run are lost when the host restarts; so are
// the sandboxes that they are about, which garbage collection then releases.
//
// Version 0.1.0, and callers that set K8CONTIVNET_STATE_DIR, leave notes in the state folder.

import { CNI_NOTE_NAME, cniNoteName, parseNote } from "../../cni/cni_note.ts";
import { CNI_CODES, type CniInput } from "../../cni/cni_types.ts";
import { Fault, faultFrom, oneLine, systemWords } from "../../util/errors.ts";
import type { Log } from "../../util/log.ts";
import { LogDedup } from "../../util/log_dedup.ts";
import { isSandboxId } from "../../util/names.ts";
import { notesOf } from "../api/agent_socket.ts";
import type { CniAnswer, PodRequest } from "../api/pod_requests.ts";

/** What handling notes works with. */
export interface TeardownNotesDeps {
  readonly socket: string;
  readonly stateDir: string;
  readonly tearDown: (pod: PodRequest) => Promise<unknown>;
  /** Must queue the call before it awaits anything: see answerCni(). */
  readonly answerCni: (input: CniInput) => Promise<CniAnswer>;
  readonly log: Pick<Log, "warn">;
}

/** Codes of a call that fails whenever it is repeated: of what the caller passed. */
const FINAL_CODES: readonly number[] = [
  ...[CNI_CODES.incompatibleVersion, CNI_CODES.unsupportedField, CNI_CODES.invalidEnvironment],
  ...[CNI_CODES.decode, CNI_CODES.invalidConfig],
];

/** How many notes are handled at once: a node's pods may all have been deleted while the agent was down. */
const LANES = 8;

/** A note that is being written (faces/teardown_note.ts); its writer may have been killed. */
const DRAFT = /^(?:cni-[0-9a-f]{64}|[0-9a-f]{12,64})\.[0-9a-f-]{36}\.new$/;
/** Writing takes milliseconds. */
const DRAFT_MS = 60_000;

/** The notes for one agent. */
export class TeardownNotes {
  readonly #deps: TeardownNotesDeps;
  readonly #problems = new LogDedup();

  constructor(deps: TeardownNotesDeps) {
    this.#deps = deps;
  }

  /** Handles the notes that are there; one that cannot be handled now stays for the next time. Never throws. */
  async handle(): Promise<void> {
    for (const folder of this.#folders()) {
      const names = (await this.#namesIn(folder)).values();
      const lane = async () => {
        for (const name of names) await this.#handleOne(folder, name);
      };
      await Promise.all(Array.from({ length: LANES }, lane));
    }
  }

  async #handleOne(folder: string, name: string): Promise<void> {
    if (isSandboxId(name)) await this.#tearDown(folder, name);
    else if (CNI_NOTE_NAME.test(name)) await this.#delete(folder, name);
    else if (await isOld(`${folder}/${name}`)) await this.#remove(`${folder}/${name}`);
  }

  /**
   * Answers a call of a runtime. An ADD is queued after the note of its attachment is removed: podman repeats ADD
   * for the id of a container that was stopped, and a DEL that was noted before would disconnect the new one. handle()
   * reads a note and queues its DEL in one turn, so the DEL is either before the ADD or not at all.
   */
  async answerCni(input: CniInput): Promise<CniAnswer> {
    if (input.command === "ADD") await this.#forget(input);
    return await this.#deps.answerCni(input);
  }

  async #forget({ containerId, ifname }: CniInput): Promise<void> {
    // Mostly there is none: this takes some 20 µs, name and removal ten times as long.
    const folders = this.#folders().filter(mayHaveNotes);
    if (folders.length === 0) return;
    const name = await cniNoteName(containerId, ifname);
    for (const folder of folders) await this.#remove(`${folder}/${name}`);
  }

  #folders(): readonly string[] {
    const { socket, stateDir } = this.#deps;
    return [notesOf(socket), `${stateDir}/teardown`];
  }

  async #tearDown(folder: string, sandbox: string): Promise<void> {
    const { tearDown, log } = this.#deps;
    try {
      await tearDown({ namespace: "", name: "", sandbox });
      await Deno.remove(`${folder}/${sandbox}`);
    } catch (error) {
      log.warn(`teardown note kept: ${faultFrom(error).message}`, { sandbox });
    }
  }

  async #delete(folder: string, name: string): Promise<void> {
    const path = `${folder}/${name}`;
    try {
      const why = await this.#failureOf(path);
      if (why === undefined) await this.#remove(path);
      else this.#warnOnce(path, `note of a DEL kept: ${why}`);
    } catch (error) {
      // Forgotten since it was listed.
      if (error instanceof Deno.errors.NotFound) return;
      this.#warnOnce(path, `note of a DEL kept: ${faultFrom(error).message}`);
    }
  }

  /** Executes the note at `path`; returns why it must stay, or undefined if it may go. */
  async #failureOf(path: string): Promise<string | undefined> {
    const { answerCni, log } = this.#deps;
    const answering = answerNote(path, answerCni);
    if (!answering) return void log.warn("note of a DEL removed: it holds no call", { path });
    const { exit, output } = await answering;
    if (exit === 0) return undefined;
    const { code, msg } = JSON.parse(output);
    if (!FINAL_CODES.includes(code)) return oneLine(String(msg));
    return void log.warn(`note of a DEL removed: ${oneLine(String(msg))}`, { path });
  }

  async #remove(path: string): Promise<void> {
    this.#problems.forget(path);
    try {
      await Deno.remove(path);
    } catch (error) {
      // Without the folder, with a file in its place, or without the note, there is nothing to remove.
      const isMissing = error instanceof Deno.errors.NotFound ||
        error instanceof Deno.errors.NotADirectory;
      if (!isMissing) this.#warnOnce(path, `note of a DEL not removed: ${systemWords(error)}`);
    }
  }

  #warnOnce(path: string, message: string): void {
    if (this.#problems.isNew(path, message)) this.#deps.log.warn(message, { path });
  }

  async #namesIn(folder: string): Promise<string[]> {
    try {
      const names = await noteNames(folder);
      this.#problems.forget(folder);
      return names;
    } catch (error) {
      const message = `teardown notes not read: ${faultFrom(error).message}`;
      if (this.#problems.isNew(folder, message)) this.#deps.log.warn(message);
      return [];
    }
  }
}

/** Starts the call of a note, in the turn in which it is read; returns undefined if it holds none. */
function answerNote(
  path: string,
  answerCni: (input: CniInput) => Promise<CniAnswer>,
): Promise<CniAnswer> | undefined {
  const input = parseNote(Deno.readTextFileSync(path));
  return input && answerCni(input);
}

/** Reports whether something may be in `folder`. */
function mayHaveNotes(folder: string): boolean {
  try {
    for (const _ of Deno.readDirSync(folder)) return true;
    return false;
  } catch (error) {
    return !(error instanceof Deno.errors.NotFound);
  }
}

async function isOld(path: string): Promise<boolean> {
  const { mtime } = await Deno.lstat(path).catch(() => ({ mtime: null }));
  return mtime !== null && Date.now() - mtime.getTime() > DRAFT_MS;
}

/** Returns the names of the notes in `folder`, and of their drafts. Faults: conflict (another user's folder), failed. */
async function noteNames(folder: string): Promise<string[]> {
  try {
    const { isDirectory, uid } = await Deno.lstat(folder);
    // Others may have made it if the socket is in a folder such as /tmp: their notes would end pods.
    if (!isDirectory || uid !== Deno.uid()) {
      throw new Fault("conflict", `${folder} is not a folder of this user`, { fix: "remove it" });
    }
    const names = await Array.fromAsync(Deno.readDir(folder), (entry) => entry.name);
    return names.filter((name) =>
      isSandboxId(name) || CNI_NOTE_NAME.test(name) || DRAFT.test(name)
    );
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (error instanceof Deno.errors.NotFound) return [];
    throw new Fault("failed", `${folder} cannot be read`, { why: systemWords(error) });
  }
}
