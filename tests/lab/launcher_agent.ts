// The agent's side of launchers' calls as a process of its own, for tests that stop and kill it. Arguments: path of the
// socket, file into which it writes each call, and how it answers: "at once" with {}, or "never".

import { serveLaunchers } from "./launcher.ts";

const [socket = "", calls = "", how] = Deno.args;
serveLaunchers(socket, {
  verb: () => Promise.resolve({}),
  cni: async (input) => {
    await Deno.writeTextFile(calls, `${JSON.stringify(input)}\n`, { append: true });
    if (how === "never") await new Promise(() => {});
    return { exit: 0, output: "{}" };
  },
});
