// Work that may take longer than a person waits in silence: its progress is shown from the first second on, and what
// an interrupt of it leaves is said.

import type { Report } from "../util/progress.ts";
import type { Interrupt } from "./interrupt.ts";
import type { Output } from "./output.ts";
import { progressLine, type ProgressState } from "./progress_line.ts";

/** What is said of a work. */
export interface WorkWords {
  /** Its name in the progress, such as `apply`. */
  readonly what: string;
  /** What an interrupt leaves. Absent: nothing was changed. */
  readonly left?: string;
}

/** Does long work for a command. */
export interface LongWork {
  /** Does `work`, which reports how far it is; without `report` nobody looks. */
  readonly run: <T>(words: WorkWords, work: (report?: Report) => Promise<T>) => Promise<T>;
  /** The same for work that ends by itself when the signal aborts, and says how far it was. */
  readonly runToStop: <T>(
    words: Pick<WorkWords, "what">,
    work: (course: { readonly report?: Report; readonly signal: AbortSignal }) => Promise<T>,
  ) => Promise<T>;
}

/** Returns what does the long work of a command with this output. */
export function longWork(
  output: Pick<Output, "progress" | "clearLine" | "width">,
  interrupt: Pick<Interrupt, "hold" | "during" | "signal">,
): LongWork {
  interrupt.signal.addEventListener("abort", () => output.clearLine?.());
  return {
    run: ({ what, left }, work) => {
      const shown = () => withProgress(output, () => what, work);
      return left === undefined ? shown() : interrupt.during(left, shown);
    },
    runToStop: async ({ what }, work) => {
      using _held = interrupt.hold();
      const { signal } = interrupt;
      const name = () => signal.aborted ? `${what}, ending (Ctrl-C again ends it at once)` : what;
      return await withProgress(
        output,
        name,
        (report) => work({ signal, ...report ? { report } : {} }),
      );
    },
  };
}

const SOON_MS = 1_000;
const EVERY_MS = 200;

/** Does `work`, and shows its progress from the first second on. */
async function withProgress<T>(
  { progress, width }: Pick<Output, "progress" | "width">,
  what: () => string,
  work: (report?: Report) => Promise<T>,
): Promise<T> {
  if (!progress) return await work();
  const startMs = performance.now();
  let nextMs = startMs + SOON_MS;
  let count: ProgressState["count"];
  const draw = () => {
    const nowMs = performance.now();
    if (nowMs < nextMs) return;
    nextMs = nowMs + EVERY_MS;
    const state = { what: what(), ms: nowMs - startMs, ...count ? { count } : {} };
    progress(progressLine(state, width));
  };
  const timer = setInterval(draw, EVERY_MS);
  try {
    return await work((done, of) => {
      count = { done, of };
      draw(); // the work may leave no time for the timer
    });
  } finally {
    clearInterval(timer);
    progress("");
  }
}
