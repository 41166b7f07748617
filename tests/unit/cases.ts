// How many cases tests with random input try. Plain `deno test` tries a tenth, always the same ones, so that it
// is done in seconds and never fails by chance; the whole run (./install.sh test) tries all, fresh ones each
// time: it sets K8CONTIVNET_LONG=1 and passes --allow-env=K8CONTIVNET_LONG. Without that permission nothing
// is asked for and nothing is read.

const NAME = "K8CONTIVNET_LONG";

/** Whether this is the whole run. */
export const isWholeRun =
  Deno.permissions.querySync({ name: "env", variable: NAME }).state === "granted" &&
  Deno.env.get(NAME) === "1";

/** Returns how many of `all` cases are tried: all of them in the whole run, else a tenth. */
export function cases(all: number): number {
  return isWholeRun ? all : Math.ceil(all / 10);
}

/** Returns the parameters of a fast-check property that has `all` cases in the whole run. */
export function runs(all: number): { readonly numRuns: number; readonly seed?: number } {
  return isWholeRun ? { numRuns: all } : { numRuns: cases(all), seed: 1 };
}
