// A truth table with real traffic: which pod reaches which, by which port.

import type { TestEndpoint } from "../unit/policy/evaluator.ts";
import type { Talker } from "./talk.ts";

/** Which pod asks which, and for what. */
export interface Question {
  readonly from: TestEndpoint;
  readonly to: TestEndpoint;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
}

/** A question with what was expected and what was seen. */
export interface Cell {
  readonly what: string;
  readonly isExpected: boolean;
  readonly isAnswered: boolean;
}

/** One who asks and is asked. */
export interface Asker {
  readonly endpoint: TestEndpoint;
  readonly talker: Talker;
}

/** Asks every question of the table. What should be answered is given more time than what should not. */
export async function askAll(
  askers: readonly Asker[],
  ports: { readonly tcp: readonly number[]; readonly udp: readonly number[] },
  expected: (question: Question) => boolean,
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const { endpoint: to } of askers) {
    const row = askers.filter(({ endpoint }) => endpoint.id !== to.id).flatMap((asker) =>
      (["tcp", "udp"] as const).flatMap((protocol) =>
        ports[protocol].map(async (port): Promise<Cell> => {
          const question = { from: asker.endpoint, to, protocol, port };
          const isExpected = expected(question);
          const isAnswered = await askTwice(asker.talker, question, isExpected);
          const what = `${question.from.id} -> ${to.id} ${protocol} ${port}`;
          return { what, isExpected, isAnswered };
        })
      )
    );
    cells.push(...await Promise.all(row));
  }
  return cells;
}

/**
 * After a change of rules the datapath goes on with the flows that it has cached until they are
 * revalidated, some milliseconds later on an idle machine: what differs is asked once more.
 */
async function askTwice(
  talker: Talker,
  { to, protocol, port }: Question,
  isExpected: boolean,
): Promise<boolean> {
  const limitMs = isExpected ? 12_000 : 700;
  const isAnswered = await talker.asks(protocol, to.ip, port, { limitMs });
  if (isAnswered === isExpected) return isAnswered;
  await new Promise((done) => setTimeout(done, 1_000));
  return await talker.asks(protocol, to.ip, port, { limitMs });
}
