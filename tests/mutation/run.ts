// Puts one fault after the other into a copy of the code, and runs the unit tests that must notice it.
// No root, nothing of this machine; about 0.3 s a mutant.

import { copy } from "./copy.ts";
import type { Mutant } from "./mutants.ts";

/** What became of a mutant. */
export type Result =
  | "caught"
  /** All its tests pass. */
  | "survived"
  /** Its text is not in the file, or more than once; or the fault does not even load. */
  | { readonly unusable: string };

/** A fault may let a loop run for ever. One mutant's tests may take as long, on a quiet machine. */
const LEAST_LIMIT_MS = 60_000;
/** The tests of all mutants together, on a machine with much other work. */
const UNCHANGED_LIMIT_MS = 20 * 60_000;

/** A copy of this project in which mutants are tried. */
export class MutationCopy implements AsyncDisposable {
  readonly #dir: string;
  readonly #limitMs: number;

  private constructor(dir: string, limitMs: number) {
    this.#dir = dir;
    this.#limitMs = limitMs;
  }

  /**
   * Returns a fresh copy in a temporary folder. `unchangedMs` is how long all tests take without any fault:
   * a mutant's tests are a few of them, so what takes twice as long hangs.
   */
  static async make(house: string, unchangedMs = 0): Promise<MutationCopy> {
    const dir = await Deno.makeTempDir({ prefix: "k8contivnet-mutants-" });
    const tests = ["tests/unit", "tests/memory", "tests/fixtures", "tests/lab"];
    for (const path of ["lib", ".std", ...tests]) {
      await copy(`${house}/${path}`, `${dir}/${path}`);
    }
    for (const file of ["deno.json", "deno.lock"]) {
      await Deno.copyFile(`${house}/${file}`, `${dir}/${file}`);
    }
    return new MutationCopy(dir, Math.max(LEAST_LIMIT_MS, 2 * unchangedMs));
  }

  /** Reports whether the tests pass without any fault; returns what they print where they do not. */
  async unchanged(tests: readonly string[]): Promise<string | undefined> {
    const { hasPassed, text } = await this.#test(tests, UNCHANGED_LIMIT_MS);
    return hasPassed ? undefined : text;
  }

  /** Tries one mutant; the file is then as before. */
  async try({ file, from, to, tests }: Mutant): Promise<Result> {
    const path = `${this.#dir}/${file}`;
    const before = await Deno.readTextFile(path);
    const count = before.split(from).length - 1;
    if (count !== 1) return { unusable: `${file} has ${count} times the text: ${from}` };
    try {
      await Deno.writeTextFile(path, before.replace(from, () => to));
      const { hasPassed, text } = await this.#test(tests, this.#limitMs);
      if (hasPassed) return "survived";
      const broken = /SyntaxError|could not be parsed|Module not found|No test modules found/.exec(
        text,
      );
      return broken ? { unusable: `${file} does not load: ${broken[0]}` } : "caught";
    } finally {
      await Deno.writeTextFile(path, before);
    }
  }

  async #test(
    tests: readonly string[],
    limitMs: number,
  ): Promise<{ hasPassed: boolean; text: string }> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["test", "--no-check", "--cached-only", "--frozen", "--fail-fast"],
        ...["--allow-env=K8CONTIVNET_LONG", ...tests],
      ],
      cwd: this.#dir,
      // All cases of the property tests: what they find must not be a matter of luck.
      env: { NO_COLOR: "1", K8CONTIVNET_LONG: "1" },
      stdin: "null",
      signal: AbortSignal.timeout(limitMs),
    }).output();
    const text = [stdout, stderr].map((one) => new TextDecoder().decode(one)).join("\n");
    return { hasPassed: code === 0, text };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#dir, { recursive: true });
  }
}
