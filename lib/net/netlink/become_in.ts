// Replaces this process by a command in another network namespace, execve(2).

import { C, call, cString, openLibc, Refusal } from "./libc.ts";
import { openOwnNamespace, openSandbox, type SandboxPlace } from "./netns_sockets.ts";

const SIGPIPE = 13;

/**
 * Enters the namespace and becomes `command`, which is looked for in PATH. Returns why it cannot be executed; then this
 * process is still in the namespace, and must end. Faults: not_found, if the namespace is gone or another one is at its
 * place; Refusal, without permission; unavailable, without libc.
 */
export function becomeIn(place: SandboxPlace, command: readonly string[]): Refusal {
  const libc = openLibc();
  {
    using own = openOwnNamespace(libc);
    using sandbox = openSandbox(libc, own, place);
    call(libc, `enter ${place.netns}`, () => libc.setns(sandbox.fd, C.cloneNewNet));
  }
  const words = command.map(cString);
  const pointers = new BigUint64Array(words.length + 1);
  words.forEach((word, at) => {
    pointers[at] = Deno.UnsafePointer.value(Deno.UnsafePointer.of(word));
  });
  // Deno ignores it, and an ignored signal stays ignored: the command would never end with its reader.
  libc.signal(SIGPIPE, 0n);
  try {
    call(libc, `execute ${command[0]}`, () => libc.execvp(words[0] ?? cString(""), pointers));
  } catch (error) {
    if (error instanceof Refusal) return error;
    throw error;
  }
  throw new Error("execvp has returned without an error");
}
