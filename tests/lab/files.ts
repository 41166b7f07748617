// What files a process has open, as its /proc shows.

import { waitFor } from "./wait.ts";

/** Returns the open files of a process at rest: no command runs, and no connection is being closed. */
export async function openFiles(pid: number): Promise<string[]> {
  let last: string[] = [];
  return await waitFor("the process's files at rest", () => {
    const before = last;
    last = filesOf(pid);
    return !last.includes("anon_inode:[pidfd]") && `${last}` === `${before}` && last;
  }, { everyMs: 300 });
}

function filesOf(pid: number): string[] {
  const kinds = socketKinds(pid);
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => {
    try {
      const target = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      return inode === undefined
        ? target.replace(/\d+/g, "N")
        : `socket ${kinds.get(inode) ?? "of another kind"}`;
    } catch {
      return "gone";
    }
  }).filter((target) => target !== "gone").sort();
}

/** Kinds of the sockets in the namespace of `pid`, by inode: the column is a matter of the table. */
function socketKinds(pid: number): Map<string, string> {
  const columns = { unix: 6, tcp: 9, netlink: 9 };
  return new Map(
    Object.entries(columns).flatMap(([kind, column]) =>
      Deno.readTextFileSync(`/proc/${pid}/net/${kind}`).trim().split("\n").slice(1)
        .map((line): [string, string] => [line.trim().split(/\s+/)[column] ?? "", kind])
    ),
  );
}
