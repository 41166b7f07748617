// A pause without a timer.

/**
 * Takes about half a millisecond. The first timer of a process costs 4 ms in Deno 2.9.6, a fifth of an
 * empty script: so what pods wait for only sets one if the awaited event does not come at once.
 */
export async function shortPause(): Promise<undefined> {
  for (let calls = 0; calls < 4; calls++) await Deno.lstat("/").catch(() => {});
  return undefined;
}
