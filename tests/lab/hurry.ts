// Time that runs quicker: timers and clocks of this process, for what would take an hour. Whatever is
// not ours (other processes, sockets) keeps its own pace.

/** Lets `hours` pass for all code of this process, a thousand times as fast. */
export async function hurry(hours: number): Promise<void> {
  const factor = 1_000;
  const [timeout, interval, now, date] = [
    globalThis.setTimeout,
    globalThis.setInterval,
    performance.now.bind(performance),
    Date.now,
  ];
  const [start, startDate] = [now(), date()];
  const quick = <F extends typeof timeout | typeof interval>(set: F) =>
    ((run: () => void, ms = 0) => set.call(globalThis, run, ms / factor)) as unknown as F;
  globalThis.setTimeout = quick(timeout);
  globalThis.setInterval = quick(interval);
  performance.now = () => start + (now() - start) * factor;
  Date.now = () => startDate + (now() - start) * factor;
  try {
    await new Promise((done) =>
      timeout.call(globalThis, done as () => void, hours * 3_600_000 / factor)
    );
  } finally {
    globalThis.setTimeout = timeout;
    globalThis.setInterval = interval;
    performance.now = now;
    Date.now = date;
  }
}
