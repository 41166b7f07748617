// The alert rules and the dashboard of the built file, judged by Debian's promtool: each alert fires on what it is about,
// and none on a healthy host.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { type AlertRule, alertRules } from "../../lib/cli/alert_rules.ts";
import { dashboardExpressions } from "../../lib/cli/grafana_dashboard.ts";
import { FILE } from "../lab/host.ts";
import { run } from "../lab/run.ts";

const MINUTES = 120;
/** `value` at each minute, or `value` growing by `step`. */
const steady = (value: number) => `${value}x${MINUTES}`;
const growing = (step: number) => `0+${step}x${MINUTES}`;

/** Series of a healthy host, by their names; a test of one alert replaces some. */
const HEALTHY: Readonly<Record<string, string>> = {
  'up{job="k8contivnet",instance="h1"}': steady(1),
  'process_start_time_seconds{job="k8contivnet",instance="h1"}': steady(1000),
  'k8contivnet_agent_ready{instance="h1"}': steady(1),
  'k8contivnet_ovs_connected{instance="h1",connection="ovsdb"}': steady(1),
  'k8contivnet_ovs_connected{instance="h1",connection="openflow"}': steady(1),
  'k8contivnet_ovs_reconnects_total{instance="h1",connection="ovsdb"}': steady(0),
  'k8contivnet_ovs_interface_errors{instance="h1"}': steady(0),
  'k8contivnet_policies_enforced{instance="h1"}': steady(1),
  'k8contivnet_gateways_ready{instance="h1"}': steady(1),
  'k8contivnet_ipam_pool_size{instance="h1",tenant="t",network="n"}': steady(100),
  'k8contivnet_ipam_allocations_in_use{instance="h1",tenant="t",network="n"}': steady(50),
  'k8contivnet_attach_duration_seconds_count{instance="h1",result="ready"}': growing(60),
  'k8contivnet_attach_duration_seconds_count{instance="h1",result="failed"}': steady(0),
  'k8contivnet_attach_duration_seconds_bucket{instance="h1",result="ready",le="0.1"}': growing(60),
  'k8contivnet_attach_duration_seconds_bucket{instance="h1",result="ready",le="10"}': growing(60),
  'k8contivnet_attach_duration_seconds_bucket{instance="h1",result="ready",le="+Inf"}': growing(60),
  'k8contivnet_store_up{instance="h1"}': steady(1),
  'k8contivnet_store_watch_lag_seconds{instance="h1"}': steady(0),
  'k8contivnet_store_pending_writes{instance="h1"}': steady(0),
  'k8contivnet_store_unreadable_documents{instance="h1"}': steady(0),
  'k8contivnet_kube_api_up{instance="h1"}': steady(1),
  'k8contivnet_repairs_total{instance="h1",kind="port"}': steady(0),
  'k8contivnet_scrape_errors_total{instance="h1",part="pools"}': steady(0),
};

/** What makes each alert fire: values of HEALTHY's series, by a part of their names. */
const BROKEN: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  K8contivnetAgentDown: { "up{job": steady(0) },
  K8contivnetAgentNotReady: { agent_ready: steady(0) },
  K8contivnetOpenVSwitchDisconnected: { 'connection="openflow"': steady(0) },
  K8contivnetPoliciesNotEnforced: { policies_enforced: steady(0) },
  K8contivnetPoolFull: { in_use: steady(100) },
  K8contivnetAgentRestarts: { start_time: growing(60) },
  K8contivnetPoolNearlyFull: { in_use: steady(95) },
  K8contivnetAttachFailing: { 'count{instance="h1",result="failed"': growing(20) },
  K8contivnetAttachSlow: { 'le="0.1"': steady(0) },
  K8contivnetStoreUnreachable: { store_up: steady(0) },
  K8contivnetStoreWatchLagging: { watch_lag: growing(60) },
  K8contivnetWritesPending: { pending_writes: steady(3) },
  K8contivnetDocumentsUnreadable: { unreadable: steady(1) },
  K8contivnetApiServerUnreachable: { kube_api_up: steady(0) },
  K8contivnetOpenVSwitchReconnecting: { reconnects: growing(1) },
  K8contivnetInterfaceErrors: { interface_errors: steady(1) },
  K8contivnetGatewaysNotReady: { gateways_ready: steady(0) },
  K8contivnetRepairs: { repairs: growing(1) },
  K8contivnetScrapeIncomplete: { scrape_errors: growing(1) },
};

/** What fires beside it, with the same cause. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  K8contivnetPoolFull: ["K8contivnetPoolNearlyFull"],
};

const LABELS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  K8contivnetAgentDown: { instance: "h1", job: "k8contivnet" },
  K8contivnetAgentRestarts: { instance: "h1", job: "k8contivnet" },
  K8contivnetPoolFull: { tenant: "t", network: "n" },
  K8contivnetPoolNearlyFull: { tenant: "t", network: "n" },
  K8contivnetScrapeIncomplete: { instance: "h1", part: "pools" },
};

const RULES = alertRules().groups.flatMap((one) => one.rules);

/** Returns a test of promtool: which alerts fire after an hour and a half, where these series are different. */
function testOf(
  name: string,
  changed: Readonly<Record<string, string>>,
  firing: readonly string[],
) {
  const input = Object.entries(HEALTHY).map(([series, values]) => {
    const [, other] = Object.entries(changed).find(([part]) => series.includes(part)) ?? [];
    return { series, values: other ?? values };
  });
  return {
    ...{ name, interval: "1m", "input_series": input },
    "alert_rule_test": RULES.map(({ alert, labels }: AlertRule) => ({
      ...{ "eval_time": "90m", alertname: alert },
      "exp_alerts": firing.includes(alert)
        ? [{ "exp_labels": { ...labels, ...LABELS[alert] ?? { instance: "h1" } } }]
        : [],
    })),
  };
}

Deno.test("each alert fires on its cause alone, and none on a healthy host", async () => {
  assertEquals(RULES.map(({ alert }) => alert).sort(), Object.keys(BROKEN).sort());
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  try {
    // Without texts, which promtool would have to be given word by word.
    const rules = JSON.parse(await run(FILE, ["metrics", "rules", "-o", "json"]));
    for (const rule of rules.groups[0].rules) delete rule.annotations;
    await Deno.writeTextFile(`${dir}/rules.yml`, JSON.stringify(rules));
    const tests = [
      testOf("healthy", {}, []),
      ...Object.entries(BROKEN).map(([alert, changed]) =>
        testOf(alert, changed, [alert, ...BESIDE[alert] ?? []])
      ),
    ];
    const file = { "rule_files": ["rules.yml"], "evaluation_interval": "1m", tests };
    await Deno.writeTextFile(`${dir}/test.yml`, JSON.stringify(file));
    const { code, stdout, stderr } = await new Deno.Command("promtool", {
      args: ["test", "rules", `${dir}/test.yml`],
    }).output();
    const words = [stdout, stderr].map((one) => new TextDecoder().decode(one)).join("\n");
    assertEquals(code, 0, words);
    assertStringIncludes(words, "SUCCESS");
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("promtool understands the rule file as it is printed, and each expression of the dashboard", async () => {
  const dir = await Deno.makeTempDir({ prefix: "k8contivnet-test-" });
  try {
    await Deno.writeTextFile(`${dir}/rules.yml`, await run(FILE, ["metrics", "rules"]));
    assertStringIncludes(
      await run("promtool", ["check", "rules", `${dir}/rules.yml`]),
      `${RULES.length} rules found`,
    );
    const dashboard = JSON.parse(await run(FILE, ["metrics", "dashboard"]));
    const printed = JSON.stringify(dashboard);
    const rules = dashboardExpressions().map((expr, at) => {
      assertStringIncludes(printed, JSON.stringify(expr));
      // What Grafana replaces.
      return { record: `panel:${at}`, expr: expr.replaceAll("$__rate_interval", "1m") };
    });
    const groups = [{ name: "dashboard", rules }];
    await Deno.writeTextFile(`${dir}/panels.yml`, JSON.stringify({ groups }));
    await run("promtool", ["check", "rules", `${dir}/panels.yml`]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
