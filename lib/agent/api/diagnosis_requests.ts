// Questions about single pods and packets: what is asked, and the answers.

import type { AttachmentState } from "../../intent/records.ts";

/** Body of POST /v1/why. */
export interface WhyRequest {
  readonly namespace: string;
  readonly name: string;
}

/** Answer of /v1/why. */
export interface WhyAnswer {
  readonly pod: WhyRequest;
  /** expected: a set-up would attach it so; nowhere: no network is for it; refused: a set-up would fail. */
  readonly state: "attached" | "expected" | "nowhere" | "refused";
  readonly places: readonly WhyPlace[];
  /** Why it is nowhere or refused; otherwise empty. */
  readonly reason: string;
  /** Further remarks. */
  readonly notes: readonly string[];
}

/** Where a pod is or would be; unknown fields are empty. */
export interface WhyPlace {
  readonly tenant: string;
  readonly network: string;
  readonly endpoint: string;
  readonly address: string;
  readonly interface: string;
  readonly host: string;
  readonly state: AttachmentState | "";
  /** Why it is there. */
  readonly rule: string;
}

/** Body of POST /v1/sandbox: a pod, as people name it. */
export type SandboxRequest = WhyRequest;

/** Answer of POST /v1/sandbox: where a pod of this host runs. */
export interface SandboxAnswer {
  readonly namespace: string;
  readonly name: string;
  /** This host's label. */
  readonly host: string;
  /** Infra container id. */
  readonly sandbox: string;
  /** Path of its network namespace, which was there a moment ago, and its inode number. */
  readonly netns: string;
  readonly netnsInode: number;
  /** The interfaces that we attached; none for a pod without a network. */
  readonly interfaces: readonly {
    readonly name: string;
    /** `tenant/network` */
    readonly network: string;
    /** CIDRs. */
    readonly addresses: readonly string[];
  }[];
}

/** Body of POST /v1/drops: a captures' next question. Drops are captured while somebody asks, and some seconds after. */
export interface DropsRequest {
  /** `next` of the answer before; absent at the start. */
  readonly after?: number;
  /** Only packets from or to this pod. */
  readonly pod?: SandboxRequest;
}

/** Answer of POST /v1/drops, within some seconds. */
export interface DropsAnswer {
  readonly next: number;
  /** Packets that came too fast: the agent has forgotten them. */
  readonly missed: number;
  /** Whether any policy is in force on this host. */
  readonly hasPolicies: boolean;
  readonly drops: readonly CapturedDrop[];
}

/** A packet that a policy dropped. */
export interface CapturedDrop {
  /** ISO 8601, UTC. */
  readonly at: string;
  /** `tcp default/app 10.1.1.2 -> default/web 10.1.1.1:80 by contiv policy t/p1 (rule 1 of group web)` */
  readonly message: string;
  /** `contiv policy t/p1` */
  readonly policy: string;
  /** `namespace/name` of client and server; absent where they are not pods that we know. */
  readonly from?: string;
  readonly to?: string;
  /** The whole Ethernet frame, base64. */
  readonly packet: string;
}

/** Body of POST /v1/trace: the first packet of a connection between two pods. */
export interface TraceRequest {
  /** `NAMESPACE/NAME`, a name, or an address of a pod; of one of the two, any other address. */
  readonly source: string;
  /** The same, or `outside`, or `host`, that is, the source's. */
  readonly destination: string;
  readonly protocol: "tcp" | "udp" | "icmp";
  /** Of the destination; 0 for icmp. */
  readonly port: number;
}

/** The verdict of policies or switch on a packet. */
export interface TraceWord {
  readonly isAllowed: boolean;
  /** What decides it. */
  readonly by: string;
  /** What that rule says; absent where no rule decides. */
  readonly rule?: string;
}

/** One stage of the way beyond a pod's network. */
export interface TraceStage extends TraceWord {
  readonly name: "policies" | "gateway" | "switch" | "host" | "service" | "source";
}

/** Answer of POST /v1/trace. */
export interface TraceAnswer {
  readonly source: string;
  readonly destination: string;
  /** Verdict of the policies, for all hosts. */
  readonly model: TraceWord;
  /** Only where the two have no common network, or no tunnel between their hosts: that decides before any policy. */
  readonly isApart?: true;
  /** Only for a packet to something beyond the source's network: what is decided where, in order. */
  readonly stages?: readonly TraceStage[];
  /** What this host's switch does; absent if the packet does not pass it. */
  readonly switch?: TraceWord & {
    /** out: it decides what the source may send; in: what the destination may receive. */
    readonly directions: readonly ("out" | "in")[];
    /** Host whose switch decides the other direction; absent if this one decides both, or no host of ours does. */
    readonly otherHost?: string;
  };
  readonly isAgreed: boolean;
}
