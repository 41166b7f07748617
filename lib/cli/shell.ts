// What a command is called with: its arguments, its options, where it prints, and what answers it.

import type { HealthAnswer } from "../agent/api/agent_health.ts";
import type {
  DropsAnswer,
  DropsRequest,
  SandboxAnswer,
  SandboxRequest,
  TraceAnswer,
  TraceRequest,
  WhyAnswer,
  WhyRequest,
} from "../agent/api/diagnosis_requests.ts";
import type { HistoryItem, IntentRequest, PlanAnswer } from "../agent/api/intent_requests.ts";
import type {
  GcAnswer,
  GcRequest,
  RepairAnswer,
  RepairRequest,
} from "../agent/api/repair_requests.ts";
import type { OpenOptions } from "../store/open_options.ts";
import type { FaceFlags } from "./face_flags.ts";
import type { Interrupt } from "./interrupt.ts";
import type { LongWork } from "./long_work.ts";
import type { Caller } from "./origin.ts";
import type { Output } from "./output.ts";

/**
 * Answers commands: the local agent over its socket, or a store directly (agent_or_store.ts). All methods
 * fail with the Faults of the one that answers; unavailable or timeout when it does not.
 */
export interface Target {
  /** Returns what `apply` would change. */
  plan(request: IntentRequest): Promise<PlanAnswer>;
  /** Applies an intent, all of it or nothing. */
  apply(request: IntentRequest): Promise<PlanAnswer>;
  /** Makes claims agree with records. */
  repair(request: RepairRequest): Promise<RepairAnswer>;
  /** Releases what is gone from this host, or from a host that is lost. */
  gc(request: GcRequest): Promise<GcAnswer>;
  /** Returns the agent's state. Faults: usage, from a store. */
  health(): Promise<HealthAnswer>;
  /** Returns the changes of the intent, newest first, or only that revision. */
  history(revision?: string): Promise<readonly HistoryItem[]>;
  /** Returns which rule puts a pod where. */
  why(pod: WhyRequest): Promise<WhyAnswer>;
  /** Returns the items of a kind of `get`, as JSON objects; only those of that name where it is given. */
  list(kind: string, name?: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** Traces a packet through policies and switch. Absent from a store. */
  trace?(request: TraceRequest): Promise<TraceAnswer>;
  /** Returns packets that policies have dropped since the question before. Absent from a store. */
  drops?(request: DropsRequest): Promise<DropsAnswer>;
  /** Returns where a pod of this host runs. Absent from a store. */
  sandbox?(pod: SandboxRequest): Promise<SandboxAnswer>;
}

/** The options of all commands, parsed; a command reads those that it knows. */
export interface CommonOptions {
  readonly format: "table" | "wide" | "json" | "yaml" | "name" | "columns";
  /** Whether `-o` was given: to a pipe, some commands write a file unless a person asks for text. */
  readonly isFormatGiven?: boolean;
  /** Of `-o custom-columns=…`, as it was typed. */
  readonly columns: string;
  /** Go ahead where the target would refuse for safety. */
  readonly force: boolean;
  /** Unknown fields of an intent are errors, not warnings. */
  readonly strict: boolean;
  /** Delete what the file does not name. */
  readonly prune: boolean;
  /** Report what would be done, change nothing. */
  readonly dryRun: boolean;
  /** Of `ipam check`. */
  readonly repair: boolean;
  /** Of -f: files, folders, or `-` for standard input. */
  readonly files: readonly string[];
  /** Of -n; each command that has namespaces has a default of its own. */
  readonly namespace: string | undefined;
  readonly allNamespaces: boolean;
  /** Path; only of `pods`. */
  readonly kubeconfig: string | undefined;
  /** Of the kubeconfig. */
  readonly context: string | undefined;
  /** Of `kube`: path of the agents' settings. */
  readonly settings: string | undefined;
  /** Of `kube`, as it was typed. */
  readonly image: string | undefined;
  readonly etcdSecret: string | undefined;
  /** Of `trace`: a port as it was typed. */
  readonly tcp: string | undefined;
  readonly udp: string | undefined;
  readonly icmp: boolean;
  /** Of `edit`: do not ask. */
  readonly yes: boolean;
  /** Of `capture`. */
  readonly drops: boolean;
  /** Of `ping` and `capture`: a number as it was typed. */
  readonly count: string | undefined;
  /** Of `capture`: a duration as it was typed. */
  readonly timeout: string | undefined;
  /** Of `gc`: the label of a host. */
  readonly host: string | undefined;
  /** Of `history`: also show what each revision changed. */
  readonly patch: boolean;
  /** Of `plan`: a revision as it was typed. */
  readonly to: string | undefined;
  /** Of `plan`. */
  readonly detailedExitcode: boolean;
  /** Of `get`: go on with what changes. */
  readonly watch: boolean;
  /** Of `get`, as it was typed. */
  readonly selector: string | undefined;
  /** Of `get`: a field. */
  readonly sortBy: string | undefined;
}

/** Everything that a command works with; a test passes its own. */
export interface Shell {
  /** The arguments after the command's name, without options. */
  readonly args: readonly string[];
  /** What follows `--`, of a command that takes it; others have it in `args`. */
  readonly tail: readonly string[];
  readonly options: CommonOptions;
  readonly output: Output;
  /** Ctrl-C, and a supervisor's end. */
  readonly interrupt: Pick<Interrupt, "signal" | "hold" | "during" | "leaveTo">;
  readonly long: LongWork;
  readonly target: Target;
  /** Path of the agent's socket. */
  readonly socket: string;
  readonly caller: Caller;
  /** The flags of what the file can also be called as, such as netplugin. */
  readonly faces: FaceFlags;
  /** How etcd is reached: files and user, of the options. */
  readonly storeOptions: OpenOptions;
}

/** One command. */
export interface Command {
  /** The help text: the synopsis, what the command does (indented by two blanks), an example. */
  readonly usage: string;
  /** Whether what follows `--` is a command of the user's. */
  readonly takesTail?: true;
  /** Runs it and returns the exit code, 0 if none; a Fault becomes the message and the exit code. */
  readonly run: (shell: Shell) => Promise<number | void> | number | void;
}
