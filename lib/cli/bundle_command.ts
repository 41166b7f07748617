// `bundle`: everything that somebody who looks into a problem asks for, in one tar, without secrets.

import type { Bundle } from "../agent/bundle/collect_bundle.ts";
import { Fault } from "../util/errors.ts";
import { writeNewFile } from "./new_file.ts";
import { printValue } from "./output.ts";
import type { Command, Shell } from "./shell.ts";

export const bundle: Command = {
  usage: "bundle [FILE|-] [-o table|json|yaml]\n" +
    "  collects versions, flags, logs, events, records, Open vSwitch's rows and flows, links, routes and doctor's\n" +
    "  findings into a tar (default: k8contivnet-HOST-TIME.tar; -: standard output) for a bug report. Passwords,\n" +
    "  tokens and keys are taken out; addresses and names of pods are in it. Works without an agent; needs root\n" +
    "  e.g. k8contivnet bundle report.tar",
  run: async (shell) => {
    const [given, ...rest] = shell.args;
    if (rest.length > 0) {
      throw new Fault("usage", `bundle got ${shell.args.length} arguments`, {
        why: "it takes one file",
        fix: "k8contivnet bundle report.tar",
      });
    }
    const [{ collectBundle }, { tarOf }] = await Promise.all([
      import("../agent/bundle/collect_bundle.ts"),
      import("../util/tar_archive.ts"),
    ]);
    const now = new Date();
    const collected = await shell.long.run(
      { what: "bundle", left: "no file was written" },
      (report) => collectBundle(shell.socket, report),
    );
    const folder = `k8contivnet-${collected.host.slice(0, HOST_LIMIT)}`;
    const files = collected.parts.map(({ name, text }) => ({ name: `${folder}/${name}`, text }));
    const tar = tarOf(files, now.getTime());
    if (given === "-") return shell.output.bytes(tar);
    const time = now.toISOString().replace(/[-:]|\.\d+/g, "");
    using _held = shell.interrupt.hold(); // half of an archive is of no use
    const path = given ?? `${folder}-${time}.tar`;
    await writeNewFile(path, tar, 0o600);
    await report(shell, collected, path);
  },
};

// With it and the names of the parts, the names in the archive stay below their limit of 100 bytes.
const HOST_LIMIT = 40;

async function report(shell: Shell, { parts }: Bundle, file: string): Promise<void> {
  const facts = parts.map(({ name, text, error }) => ({
    ...{ name, characters: text.length },
    ...error === undefined ? {} : { error },
  }));
  if (await printValue(shell, { file, parts: facts })) return;
  for (const { name, error } of parts) {
    if (error !== undefined) shell.output.message(`without ${name}: ${error}`);
  }
  shell.output.data(file);
}
