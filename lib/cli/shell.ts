// What a command is handed: its words, its options, where to print, and whom to ask.

import type {
  GcAnswer,
  GcRequest,
  HealthAnswer,
  IntentRequest,
  PlanAnswer,
  RepairAnswer,
  RepairRequest,
  TraceAnswer,
  TraceRequest,
  WhyAnswer,
  WhyRequest,
} from "../agent/api.ts";
import type { Output } from "./output.ts";

/** Answers a command: the local agent over its socket, or a store directly. */
export interface Target {
  plan(request: IntentRequest): Promise<PlanAnswer>;
  apply(request: IntentRequest): Promise<PlanAnswer>;
  repair(request: RepairRequest): Promise<RepairAnswer>;
  gc(request: GcRequest): Promise<GcAnswer>;
  /** Faults (usage) where no agent is asked. */
  health(): Promise<HealthAnswer>;
  why(pod: WhyRequest): Promise<WhyAnswer>;
  list(kind: string, name?: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Absent where there is no switch to ask. */
  trace?(request: TraceRequest): Promise<TraceAnswer>;
}

/** Options that every command knows. */
export interface CommonOptions {
  readonly format: "table" | "wide" | "json" | "name";
  readonly force: boolean;
  readonly strict: boolean;
  readonly prune: boolean;
  readonly dryRun: boolean;
  readonly repair: boolean;
  /** File of -f. */
  readonly file: string | undefined;
  /** Of -n; the commands that know namespaces say which one it is when absent. */
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean;
  readonly kubeconfig: string | undefined;
  readonly context: string | undefined;
  /** Ports, as written, and protocol of `trace`. */
  readonly tcp: string | undefined;
  readonly udp: string | undefined;
  readonly icmp: boolean;
  /** Of `gc`. */
  readonly host: string | undefined;
}

/** What a command is handed. */
export interface Shell {
  readonly words: readonly string[];
  readonly options: CommonOptions;
  readonly output: Output;
  readonly target: Target;
}

/** One command. */
export interface Command {
  /** One line each: how it is called, what it does, an example. */
  readonly usage: string;
  readonly run: (shell: Shell) => Promise<void> | void;
}
