// Docker that misbehaves, as a real one cannot be made to: stubs at a unix socket. What a real one
// says is in tests/root/runtimes_test.ts.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { Docker } from "../../lib/runtimes/docker/docker.ts";
import { Fault, type FaultCode } from "../../lib/util/errors.ts";
import { endless, half, json, never, serveDocker, tempFolder } from "../lab/docker_stub.ts";
import { patient } from "../lab/limits.ts";

const ID = "0123456789abcdef".repeat(4);
const LIMIT_MS = 200;
// For what is answered: how soon depends on the pace of the machine.
const PATIENT_MS = patient(2_000);

const CONTAINER = { Id: ID, State: { Running: true, Pid: 7 } };

const refusals: readonly {
  readonly words: string;
  readonly answer: (signal: AbortSignal) => Response | Promise<Response>;
  readonly code: FaultCode;
  readonly says: string;
  /** @default PATIENT_MS */
  readonly limitMs?: number;
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
    says: "not one of Docker's",
  },
  {
    words: "answers another document",
    answer: () => json(200, [1]),
    code: "unavailable",
    says: "not one of Docker's",
  },
  {
    words: "knows several such ids",
    answer: () => json(500, { message: `Multiple IDs found with provided prefix: ${ID}` }),
    code: "conflict",
    says: "use the full id",
  },
  {
    ...{
      words: "sends no answer",
      answer: never,
      code: "timeout",
      says: "did not answer within 200 ms",
    },
    limitMs: LIMIT_MS,
  },
  {
    ...{
      words: "sends half an answer",
      answer: half,
      code: "timeout",
      says: "did not answer within 200 ms",
    },
    limitMs: LIMIT_MS,
  },
  { words: "never stops answering", answer: endless, code: "unavailable", says: "HTTP" },
];

for (const { words, answer, code, says, limitMs = PATIENT_MS } of refusals) {
  Deno.test(`a Docker that ${words} is ${code} within the limit`, async () => {
    await using stub = await serveDocker(answer);
    const started = performance.now();
    await faults(code, says, () => new Docker(stub.path, limitMs).find(ID));
    const ms = performance.now() - started;
    assert(ms < limitMs + patient(1_500), `it took ${ms} ms`);
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
  await faults("unavailable", "HTTP", () => new Docker(path, PATIENT_MS).find(ID));
  listener.close();
  await serving;
});

Deno.test("a Docker socket without a listener is unavailable, a missing one means no Docker", async () => {
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
  await faults("unavailable", "not a socket", () => new Docker(path).find(ID));
});

Deno.test("a Docker that finds another container than was asked for is not believed", async () => {
  const other = ID.replaceAll("0", "f");
  await using stub = await serveDocker(() => json(200, { ...CONTAINER, Id: other }));
  assertEquals(await new Docker(stub.path).find(ID), undefined);
});

Deno.test("a Docker is asked only for what can be an id", async () => {
  const asked: string[] = [];
  await using stub = await serveDocker((_, path) => {
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

const versions: readonly {
  readonly words: string;
  /** What the daemon says of itself, and the least that it takes. */
  readonly says: string | null;
  readonly least?: number;
  /** Versions that are asked for, in their order. */
  readonly want: readonly string[];
}[] = [
  { words: "of 2020 is spoken to in its own version", says: "1.41", want: ["/v1.41"] },
  { words: "of 2015, which says none, in no version", says: null, want: [""] },
  { words: "that says rubbish in no version", says: "../1", want: [""] },
  { words: "newer than this code in the newest that is known", says: "1.999", want: ["/v1.54"] },
  {
    words: "that knows nothing so old in no version",
    says: "1.999",
    least: 900,
    want: ["/v1.54", "/v1.54", ""],
  },
];

for (const { words, says, least = 0, want } of versions) {
  Deno.test(`a Docker ${words}`, async () => {
    const asked: string[] = [];
    const answer = (_: AbortSignal, path: string) => {
      const [, version = "", minor = "999"] = /^(\/v1\.(\d+))?/.exec(path) ?? [];
      asked.push(version);
      return Number(minor) >= least ? json(200, CONTAINER) : tooOld(minor);
    };
    await using stub = await serveDocker(answer, { version: says, isPathWhole: true });
    const docker = new Docker(stub.path);
    for (let n = 0; n < 2; n++) assertEquals((await docker.find(ID))?.pid, 7);
    assertEquals(asked.slice(0, want.length), want);
  });
}

function tooOld(minor: string): Response {
  const message = `client version 1.${minor} is too old. Minimum supported API version is 1.900`;
  return json(400, { message });
}

Deno.test("a Docker that was exchanged for an older one is asked for its version again", async () => {
  const asked: string[] = [];
  let newest = 44;
  const answer = (_: AbortSignal, path: string) => {
    const minor = Number(/^\/v1\.(\d+)/.exec(path)?.[1]);
    asked.push(path.split("/")[1] ?? "");
    if (minor <= newest) return json(200, CONTAINER);
    return json(400, { message: `client version 1.${minor} is too new. Maximum is 1.${newest}` });
  };
  const version = () => `1.${newest}`;
  await using stub = await serveDocker(answer, { version, isPathWhole: true });
  const docker = new Docker(stub.path);
  await docker.find(ID);
  newest = 24;
  assertEquals((await docker.find(ID))?.pid, 7);
  assertEquals(asked, ["v1.44", "v1.44", "v1.24"]);
});

Deno.test("an answer that is not a list is refused, and a missing socket has no list", async () => {
  await using stub = await serveDocker(() => json(200, { message: "no list" }));
  await faults("unavailable", "not one of Docker's", () => new Docker(stub.path).list());
  await using broken = await serveDocker(() => json(500, { message: "no disk" }));
  await faults("unavailable", "no disk", () => new Docker(broken.path).list());
  assertEquals(await new Docker("/nowhere/docker.sock").list(), undefined);
});

Deno.test("fifty questions at once to Docker are all answered", async () => {
  await using stub = await serveDocker(() => json(200, CONTAINER));
  const docker = new Docker(stub.path);
  const found = await Promise.all(Array.from({ length: 50 }, () => docker.find(ID)));
  assert(found.every((one) => one?.id === ID));
});

async function faults(
  code: FaultCode,
  says: string,
  call: () => Promise<unknown>,
): Promise<void> {
  const fault = await assertRejects(call, Fault, says);
  assertEquals(fault.code, code, fault.message);
  assert(fault.message.length <= 200, fault.message);
}
