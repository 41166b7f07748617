// `completion bash|zsh|fish` prints what a shell loads.

import { COMPLETION_SCRIPTS } from "./completion_scripts.ts";
import type { Command } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

export const completion: Command = {
  usage: "completion bash | zsh | fish\n" +
    "  prints what a shell loads to complete commands, options, and names of pods, networks and hosts,\n" +
    "  which the agent of this host is asked for:\n" +
    "    bash: k8contivnet completion bash > /usr/share/bash-completion/completions/k8contivnet\n" +
    "    zsh:  k8contivnet completion zsh > /usr/share/zsh/vendor-completions/_k8contivnet\n" +
    "    fish: k8contivnet completion fish > /usr/share/fish/vendor_completions.d/k8contivnet.fish\n" +
    "  e.g. source <(k8contivnet completion bash)",
  run: ({ args, output }) => {
    const [shell = ""] = args;
    if (args.length === 1 && Object.hasOwn(COMPLETION_SCRIPTS, shell)) {
      return output.data(COMPLETION_SCRIPTS[shell] ?? "");
    }
    throw wrongWords("completion", args, {
      takes: "bash, zsh or fish",
      fix: "k8contivnet completion bash",
    });
  },
};
