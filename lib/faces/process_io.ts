// Streams, environment and clock of this process, as the faces use them; tests pass plain data.

/** What a face uses of its process. */
export interface FaceIo {
  /** Returns an environment variable. */
  readonly env: (name: string) => string | undefined;
  /** Prints to stdout, without adding a newline. */
  readonly out: (text: string) => void;
  /** Prints one line to stderr. */
  readonly err: (line: string) => void;
}

/** Returns streams and environment of this process. */
export function processIo(): FaceIo {
  const write = (stream: { writeSync(bytes: Uint8Array): number }, text: string) => {
    const bytes = new TextEncoder().encode(text);
    for (let done = 0; done < bytes.length;) done += stream.writeSync(bytes.subarray(done));
  };
  return {
    env: (name) => Deno.env.get(name),
    out: (text) => write(Deno.stdout, text),
    err: (line) => write(Deno.stderr, `${line}\n`),
  };
}
