// Docker that misbehaves, as a real one cannot be made to: stubs at a unix socket. What a real one
// says is in tests/root/runtimes_test.ts.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Docker } from "../../lib/runtimes/docker.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";

const ID = "0123456789abcdef".repeat(4);
const LIMIT_MS = 200;

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

const CONTAINER = { Id: ID, State: { Running: true, Pid: 7 } };

const refusals: readonly {
  readonly words: string;
  readonly answer: (signal: AbortSignal) => Response | Promise<Response>;
  readonly code: FaultCode;
  readonly says: string;
}[] = [
  {
    words: "says 500",
    answer: () => json(500, { message: "layer does not\nexist" }),
    code: "unavailable",
    says: "layer does not exist",
  },
  {
    words: "says 500 in HTML",
    answer: () => new Response("<h1>", { status: 500 }),
    code: "unavailable",
    says: "<h1>",
  },
  {
    words: "answers rubbish",
    answer: () => new Response("\0\xff{"),
    code: "unavailable",
    says: "none of Docker's",
  },
  {
    words: "answers another document",
    answer: () => json(200, [1]),
    code: "unavailable",
    says: "none of Docker's",
  },
  {
    words: "knows several such ids",
    answer: () => json(500, { message: `Multiple IDs found with provided prefix: ${ID}` }),
    code: "conflict",
    says: "in full",
  },
  { words: "sends no answer", answer: never, code: "timeout", says: "no answer in 200 ms" },
  { words: "sends half an answer", answer: half, code: "timeout", says: "no answer in 200 ms" },
  { words: "never stops answering", answer: endless, code: "unavailable", says: "HTTP" },
];

for (const { words, answer, code, says } of refusals) {
  Deno.test(`a Docker that ${words} is ${code} within the limit`, async () => {
    await using stub = await serve(answer);
    const started = performance.now();
    await faults(code, says, () => new Docker(stub.path, LIMIT_MS).find(ID));
    const ms = performance.now() - started;
    assert(ms < LIMIT_MS + 1_500, `it took ${ms} ms`);
  });
}

Deno.test("a Docker that does not speak HTTP is unavailable", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/docker.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  const serving = (async () => {
    for await (const connection of listener) {
      await connection.write(new TextEncoder().encode("220 mail.example.com ESMTP\r\n"));
      connection.close();
    }
  })();
  await faults("unavailable", "HTTP", () => new Docker(path, LIMIT_MS).find(ID));
  listener.close();
  await serving;
});

Deno.test("a Docker socket that nobody listens at is unavailable, a missing one is no Docker", async () => {
  await using folder = await tempFolder();
  const path = `${folder.path}/docker.sock`;
  assertEquals(await new Docker(path).find(ID), undefined);
  assertEquals(await new Docker(`${path}/below`).find(ID), undefined);
  const listener = Deno.listen({ transport: "unix", path: `${path}.new` });
  await Deno.rename(`${path}.new`, path); // else close() removes it
  listener.close();
  await faults("unavailable", path, () => new Docker(path).find(ID));
  await Deno.remove(path);
  await Deno.writeTextFile(path, "");
  await faults("unavailable", "no socket", () => new Docker(path).find(ID));
});

Deno.test("a Docker that finds another container than was asked for is not believed", async () => {
  const other = ID.replaceAll("0", "f");
  await using stub = await serve(() => json(200, { ...CONTAINER, Id: other }));
  assertEquals(await new Docker(stub.path).find(ID), undefined);
});

Deno.test("a Docker is asked only for what can be an id", async () => {
  const asked: string[] = [];
  await using stub = await serve((_, path) => {
    asked.push(path);
    return json(200, CONTAINER);
  });
  for (const id of ["cafe", "web", "../../images", `${ID}0`, ID.toUpperCase(), ""]) {
    assertEquals(await new Docker(stub.path).find(id), undefined);
  }
  assertEquals(asked, []);
  assertEquals((await new Docker(stub.path).find(ID.slice(0, 12)))?.pid, 7);
  assertEquals(asked, [`/containers/${ID.slice(0, 12)}/json`]);
});

Deno.test("fifty questions at once to Docker are all answered", async () => {
  await using stub = await serve(() => json(200, CONTAINER));
  const docker = new Docker(stub.path);
  const found = await Promise.all(Array.from({ length: 50 }, () => docker.find(ID)));
  assert(found.every((one) => one?.id === ID));
});

type Answer = (signal: AbortSignal, path: string) => Response | Promise<Response>;

async function serve(answer: Answer): Promise<{ path: string } & AsyncDisposable> {
  const folder = await tempFolder();
  const path = `${folder.path}/docker.sock`;
  const stop = new AbortController();
  const server = Deno.serve({ path, onListen() {}, onError: () => new Response() }, (request) => {
    // The client sends the whole URL, as to a proxy.
    const asked = request.url.replace(/^.*localhost(:\d+)?\//, "/");
    return answer(stop.signal, asked);
  });
  const dispose = async () => {
    stop.abort();
    await server.shutdown();
    await folder[Symbol.asyncDispose]();
  };
  return { path, [Symbol.asyncDispose]: dispose };
}

function never(signal: AbortSignal): Promise<Response> {
  return new Promise((resolve) => signal.addEventListener("abort", () => resolve(new Response())));
}

function half(signal: AbortSignal): Response {
  const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    controller.enqueue(new TextEncoder().encode('{"Id":'));
    signal.addEventListener("abort", () => controller.error(new Error("the test ends")));
  };
  return new Response(new ReadableStream({ start }));
}

function endless(): Response {
  const piece = new Uint8Array(256 * 1024).fill(32);
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>) =>
    controller.enqueue(piece);
  return new Response(new ReadableStream({ pull }));
}

async function tempFolder(): Promise<{ path: string } & AsyncDisposable> {
  const path = await Deno.makeTempDir({ prefix: "k8contivnet-docker-" });
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function faults(
  code: FaultCode,
  says: string,
  call: () => Promise<unknown>,
): Promise<void> {
  const fault = await assertRejects(call, Fault, says);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
}
