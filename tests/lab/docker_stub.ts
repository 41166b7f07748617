// A Docker that misbehaves, as a real one cannot be made to: HTTP at a unix socket, answers by hand.

/** Answers a GET of `path`; `signal` aborts when the stub ends. */
export type Answer = (signal: AbortSignal, path: string) => Response | Promise<Response>;

/** How a stub presents itself. */
export interface StubOptions {
  /** Its API version in the answer to a ping; null: a daemon too old to send it. */
  readonly version?: string | null | (() => string | null);
  /** Hand `Answer` the path with its version. */
  readonly isPathWhole?: boolean;
  /** Where the socket is; a folder of its own when absent. */
  readonly path?: string;
}

/** Serves `answer` at a unix socket. Pings are answered by the stub itself. */
export async function serveDocker(
  answer: Answer,
  { version = "1.41", isPathWhole = false, path }: StubOptions = {},
): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await tempFolder();
  const place = path ?? `${folder.path}/docker.sock`;
  const stop = new AbortController();
  const options = { path: place, onListen() {}, onError: () => new Response() };
  const server = Deno.serve(options, (request) => {
    // The client sends the whole URL, as to a proxy.
    const asked = request.url.replace(/^.*localhost(:\d+)?\//, "/");
    if (asked === "/_ping") return pong(typeof version === "function" ? version() : version);
    return answer(stop.signal, isPathWhole ? asked : asked.replace(/^\/v1\.\d+\//, "/"));
  });
  const dispose = async () => {
    stop.abort();
    await server.shutdown();
    await folder[Symbol.asyncDispose]();
  };
  return { path: place, [Symbol.asyncDispose]: dispose };
}

function pong(version: string | null): Response {
  return new Response("OK", { headers: version === null ? {} : { "api-version": version } });
}

/** Returns a JSON answer. */
export function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

/** Returns no answer until the stub ends. */
export function never(signal: AbortSignal): Promise<Response> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response())));
}

/** Begins an answer and never goes on. */
export function half(signal: AbortSignal): Response {
  return streamOf(signal).response(['{"Id":']);
}

/** Answers without an end. */
export function endless(): Response {
  const piece = new Uint8Array(256 * 1024).fill(32);
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) =>
    controller.enqueue(piece);
  return new Response(new ReadableStream({ pull }));
}

/** A stream that is written by hand. */
export interface HandStream {
  /** Returns the answer that streams, with `pieces` sent already. */
  response(pieces?: readonly string[]): Response;
  send(text: string): void;
  /** Ends the answer: properly, or with the connection cut. */
  end(how?: "closed" | "cut"): void;
}

/** Makes a stream that ends with `signal` at the latest. */
export function streamOf(signal: AbortSignal): HandStream {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const cut = () => {
    controller?.error(new Error("cut by the test"));
    controller = undefined;
  };
  signal.addEventListener("abort", cut);
  return {
    response: (pieces = []) => {
      const start = (made: ReadableStreamDefaultController<Uint8Array>) => {
        controller = made;
        for (const piece of pieces) made.enqueue(encoder.encode(piece));
      };
      const cancel = () => void (controller = undefined);
      return new Response(new ReadableStream({ start, cancel }));
    },
    send: (text) => controller?.enqueue(encoder.encode(text)),
    end: (how = "closed") => {
      if (how === "cut") return cut();
      controller?.close();
      controller = undefined;
    },
  };
}

/** A folder for one test, removed at the end. */
export async function tempFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "k8contivnet-docker-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}
