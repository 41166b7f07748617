// The metrics as data: their types, labels and help texts. Names follow Prometheus' conventions: a prefix, base units
// (seconds, bytes), `_total` for counters; https://prometheus.io/docs/practices/naming/. Pure.

/** One metric. */
export interface MetricSpec {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** Names of its labels, in the order of the text. */
  readonly labels: readonly string[];
}

/** All metrics by name, in the order of the text. No label has a pod's name: pods come and go without a limit. */
export const METRICS = {
  "k8contivnet_build_info": {
    type: "gauge",
    help: "Version of the agent, and the host's label; always 1.",
    labels: ["version", "deno", "host"],
  },
  "k8contivnet_agent_ready": {
    type: "gauge",
    help: "Whether the agent answers requests (1) or is starting (0).",
    labels: [],
  },
  "k8contivnet_agent_start_duration_seconds": {
    type: "gauge",
    help: "Time from the agent's start until it answered requests; absent while it is starting.",
    labels: [],
  },
  "k8contivnet_attach_duration_seconds": {
    type: "histogram",
    help: "Duration of attaching a pod for a kubelet or container runtime, by result.",
    labels: ["result"],
  },
  "k8contivnet_attach_phase_duration_seconds": {
    type: "histogram",
    help:
      "Duration of the phases of attaching a pod: sandbox, claim, policies, fabric, gateway, port, record.",
    labels: ["phase", "result"],
  },
  "k8contivnet_detach_duration_seconds": {
    type: "histogram",
    help: "Duration of detaching a pod for a kubelet or container runtime, by result.",
    labels: ["result"],
  },
  "k8contivnet_detach_phase_duration_seconds": {
    type: "histogram",
    help: "Duration of the phases of detaching a pod: port, release.",
    labels: ["phase", "result"],
  },
  "k8contivnet_cni_call_duration_seconds": {
    type: "histogram",
    help: "Duration of calls of container runtimes through CNI, by command and result.",
    labels: ["command", "result"],
  },
  "k8contivnet_reconcile_duration_seconds": {
    type: "histogram",
    help: "Duration of reconciliations of this host, by result.",
    labels: ["result"],
  },
  "k8contivnet_repairs_total": {
    type: "counter",
    help: "What was found different from the desired state and repaired, by kind.",
    labels: ["kind"],
  },
  "k8contivnet_events_total": {
    type: "counter",
    help: 'Events of this host, by kind, as "k8contivnet events" shows them.',
    labels: ["kind"],
  },
  "k8contivnet_attachments": {
    type: "gauge",
    help: "Interfaces of pods on this host, by network and state.",
    labels: ["tenant", "network", "state"],
  },
  "k8contivnet_unmatched_pods": {
    type: "gauge",
    help: "Pods on this host that nothing in the intent names.",
    labels: [],
  },
  "k8contivnet_ipam_pool_size": {
    type: "gauge",
    help:
      "Addresses of a network's pool that pods may have, for each network that the agent knows: the same on all hosts.",
    labels: ["tenant", "network"],
  },
  "k8contivnet_ipam_allocations_in_use": {
    type: "gauge",
    help:
      "Addresses of a network's pool that endpoints have, on all hosts, those held for pods included.",
    labels: ["tenant", "network"],
  },
  "k8contivnet_ipam_allocations_held": {
    type: "gauge",
    help: "Addresses of a network that are held for deleted pods, on all hosts.",
    labels: ["tenant", "network"],
  },
  "k8contivnet_store_up": {
    type: "gauge",
    help: "Whether the store answered the last request.",
    labels: [],
  },
  "k8contivnet_store_request_duration_seconds": {
    type: "histogram",
    help: "Duration of requests to the store, by operation and result.",
    labels: ["operation", "result"],
  },
  "k8contivnet_store_watch_delay_seconds": {
    type: "histogram",
    help: "Time from a commit of this agent until its watch of the store reported it.",
    labels: [],
  },
  "k8contivnet_store_watch_lag_seconds": {
    type: "gauge",
    help:
      "Age of the oldest commit of this agent that its watch has not reported; 0 if there is none.",
    labels: [],
  },
  "k8contivnet_store_watch_resyncs_total": {
    type: "counter",
    help: "How often the whole store was read again because the watch was late.",
    labels: [],
  },
  "k8contivnet_store_documents": {
    type: "gauge",
    help: "Documents of the store that the agent has in memory.",
    labels: [],
  },
  "k8contivnet_store_unreadable_documents": {
    type: "gauge",
    help: "Documents of the store that this version cannot read.",
    labels: [],
  },
  "k8contivnet_store_pending_writes": {
    type: "gauge",
    help: "Writes made while the store was unreachable that are not replayed yet.",
    labels: [],
  },
  "k8contivnet_kube_api_up": {
    type: "gauge",
    help: "Whether all watches of the API server are running; absent without a cluster.",
    labels: [],
  },
  "k8contivnet_kube_objects": {
    type: "gauge",
    help: "Objects of the API server that the agent has in memory, by kind.",
    labels: ["kind"],
  },
  "k8contivnet_ovs_connected": {
    type: "gauge",
    help: "Whether a connection to Open vSwitch is up: ovsdb, openflow.",
    labels: ["connection"],
  },
  "k8contivnet_ovs_reconnects_total": {
    type: "counter",
    help: "How often a connection to Open vSwitch was lost and opened again.",
    labels: ["connection"],
  },
  "k8contivnet_ovs_interface_errors": {
    type: "gauge",
    help: "Interfaces of this host's bridges for which Open vSwitch reports an error.",
    labels: [],
  },
  "k8contivnet_policies_enforced": {
    type: "gauge",
    help: "Whether all policies of this host are in force.",
    labels: [],
  },
  "k8contivnet_policy_dropped_packets_total": {
    type: "counter",
    help: "Packets dropped on this host by a policy since its flows were installed.",
    labels: ["source", "policy"],
  },
  "k8contivnet_gateways_ready": {
    type: "gauge",
    help: "Whether pods here reach what their networks may reach beyond themselves.",
    labels: [],
  },
  "k8contivnet_scrape_errors_total": {
    type: "counter",
    help: "Parts of scrapes that could not be read in time, by part.",
    labels: ["part"],
  },
  "process_cpu_seconds_total": {
    type: "counter",
    help: "User and system CPU time of the agent in seconds.",
    labels: [],
  },
  "process_resident_memory_bytes": {
    type: "gauge",
    help: "Resident memory of the agent in bytes.",
    labels: [],
  },
  "process_start_time_seconds": {
    type: "gauge",
    help: "Start of the agent in seconds since the epoch.",
    labels: [],
  },
} as const satisfies Readonly<Record<string, MetricSpec>>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;
