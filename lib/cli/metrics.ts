// `metrics dashboard|rules`: what Grafana and Prometheus make of the agents' metrics; works without an agent.

import { printValue } from "./output.ts";
import type { Command } from "./shell.ts";
import { wrongWords } from "./wrong_words.ts";

export const metrics: Command = {
  usage: "metrics dashboard | rules [-o json|yaml]\n" +
    "  the values are at http://ADDRESS:PORT/metrics of an agent with --listen ADDRESS:PORT (see netplugin -h),\n" +
    "  for Prometheus;\n" +
    "  dashboard: prints a dashboard for Grafana; rules: prints alert rules for Prometheus, whose\n" +
    "  job must have k8contivnet in its name, as in:\n" +
    "    scrape_configs:\n" +
    "      - job_name: k8contivnet\n" +
    '        static_configs: [{ targets: ["127.0.0.1:9430"] }]\n' +
    "  With --listen-token-file, add authorization: { credentials_file: FILE }. The agent also answers\n" +
    "  /healthz (it runs) and /readyz (new pods can be set up) for probes, without the token.\n" +
    "  e.g. k8contivnet metrics rules > /etc/prometheus/k8contivnet.yml",
  run: async ({ args, options, output }) => {
    const [word, ...rest] = args;
    if (word === "dashboard" && rest.length === 0) {
      const { grafanaDashboard } = await import("./grafana_dashboard.ts");
      const format = options.format === "yaml" ? "yaml" : "json";
      return void await printValue({ options: { format }, output }, grafanaDashboard());
    }
    if (word === "rules" && rest.length === 0) {
      const { alertRules } = await import("./alert_rules.ts");
      const format = options.format === "json" ? "json" : "yaml";
      return void await printValue({ options: { format }, output }, alertRules());
    }
    throw wrongWords("metrics", args, {
      takes: "dashboard, or rules",
      fix:
        "k8contivnet metrics rules; the values are at http://ADDRESS:PORT/metrics of an agent with " +
        "--listen ADDRESS:PORT (see netplugin -h)",
    });
  },
};
