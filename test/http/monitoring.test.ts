import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { sharedTestApp, type TestApp } from "../support/server/app.js";
import { send } from "../support/http/raw-request.js";

const deploy = join(import.meta.dirname, "../../deploy");
const rules = join(deploy, "prometheus/alerts.yaml");
const tries = join(import.meta.dirname, "alerts.test.yaml");
const promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].find((path) => existsSync(path));

let app: TestApp;
const names = new Set<string>();
beforeAll(async () => {
  app = await sharedTestApp();
  const { text } = await send(app, "GET", "/metrics");
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    if (name === undefined) continue;
    const suffixes = type === "histogram" ? ["_bucket", "_sum", "_count"] : [""];
    for (const suffix of suffixes) names.add(name + suffix);
  }
});

/** The metrics used in a query. */
const metricsIn = (query: string): string[] =>
  query.match(/\b(?:omoi|http|nodejs|process)_[a-z0-9_]+/g) ?? [];

/** The name of a histogram, whose series have suffixes. */
const withoutSuffix = (name: string): string => name.replace(/_(?:bucket|sum|count)$/, "");

/** The alert rules without their texts. */
const queriesOfRules = async (): Promise<string> =>
  (await readFile(rules, "utf8")).replaceAll(/^ *(?:summary|description|- name):.*$/gm, "");

test("each metric of the alert rules exists", async () => {
  const used = metricsIn(await queriesOfRules());
  expect(used.length).toBeGreaterThan(8);
  expect(used.filter((name) => !names.has(name))).toEqual([]);
});

test("each metric of the dashboard exists, and each of Omoi and of the rules has a panel", async () => {
  const dashboard = JSON.parse(await readFile(join(deploy, "grafana/omoi.json"), "utf8")) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  const used = dashboard.panels.flatMap(({ targets }) =>
    targets.flatMap(({ expr }) => metricsIn(expr)),
  );
  expect(
    dashboard.panels.every(({ targets }) =>
      targets.every(({ expr }) => metricsIn(expr).length > 0),
    ),
  ).toBe(true);
  expect(used.filter((name) => !names.has(name))).toEqual([]);
  const shown = new Set(used.map(withoutSuffix));
  const exported = new Set(
    [...names].filter((name) => name.startsWith("omoi_")).map(withoutSuffix),
  );
  expect([...exported].filter((name) => !shown.has(name))).toEqual([]);
  const watched = metricsIn(await queriesOfRules()).map(withoutSuffix);
  expect(watched.filter((name) => !shown.has(name))).toEqual([]);
});

test("each alert rule is tried", async () => {
  const { groups } = parse(await readFile(rules, "utf8")) as {
    groups: { rules: { alert: string }[] }[];
  };
  const { tests } = parse(await readFile(tries, "utf8")) as {
    tests: { name: string; promql_expr_test: { exp_samples?: unknown[] }[] }[];
  };
  const names = groups.flatMap((group) => group.rules.map(({ alert }) => alert));
  expect([...new Set(tests.map(({ name }) => name))].toSorted()).toEqual(names.toSorted());
  for (const { name, promql_expr_test: looks } of tests) {
    const isSilent = looks.some(({ exp_samples }) => exp_samples === undefined);
    const isFiring = looks.some(({ exp_samples }) => exp_samples !== undefined);
    expect([name, isSilent, isFiring]).toEqual([name, true, true]);
  }
});

test.skipIf(promtool === undefined)(
  `Prometheus accepts the alert rules and the metrics${promtool ? "" : " (skipped: promtool is not installed)"}`,
  async () => {
    const checked = spawnSync(promtool as string, ["check", "rules", rules], { encoding: "utf8" });
    expect([checked.status, checked.stderr]).toEqual([0, ""]);
    const { text } = await send(app, "GET", "/metrics");
    const linted = spawnSync(promtool as string, ["check", "metrics"], {
      input: text,
      encoding: "utf8",
    });
    // Name warnings are expected for Node's metrics.
    expect(linted.stderr).not.toMatch(/error while linting|parse/i);
  },
);
