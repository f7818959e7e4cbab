/** The configuration of docs/how-to/grafana.md, the dashboard and the alert rules, with the real Prometheus if it is there. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { codeBlocks } from "#test/support/documents/code-blocks.js";
import { send } from "#test/support/http/raw-request.js";
import { startTestApp, type TestApp } from "#test/support/server/app.js";
import { root } from "#test/support/server/built-files.js";
import { freePort } from "#test/support/server/free-port.js";

const GUIDE = "how-to/grafana.md";
const TOKEN = "a-token-of-this-test-0123456789";
const prometheus = (process.env["PATH"] ?? "")
  .split(delimiter)
  .map((folder) => join(folder, "prometheus"))
  .find((path) => existsSync(path));

interface Dashboard {
  panels: { targets: { expr: string }[] }[];
}

let app: TestApp;
let config: string;
/** The queries of the dashboard and of the guide. */
let queries: string[];
beforeAll(async () => {
  app = await startTestApp({ OMOI_METRICS_TOKEN: TOKEN });
  [config = ""] = await codeBlocks(GUIDE, "yaml");
  const dashboard = JSON.parse(
    await readFile(join(root, "deploy/grafana/omoi.json"), "utf8"),
  ) as Dashboard;
  const [own = ""] = await codeBlocks(GUIDE, "promql");
  queries = [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...own.trim().split("\n"),
  ].map((query) => query.replaceAll("$job", "omoi").replaceAll("$__rate_interval", "1m"));
});
afterAll(() => app.close());

test("the token opens /metrics to other machines", async () => {
  const from = { "x-forwarded-for": "203.0.113.7" };
  const get = (token?: string) =>
    send(app, "GET", "/metrics", { headers: from, ...(token !== undefined && { token }) });
  expect((await get()).status).toBe(404);
  expect((await get("another-token-0123456789")).status).toBe(404);
  const answer = await get(TOKEN);
  expect(answer.status).toBe(200);
  const names = new Set(
    Array.from(answer.text.matchAll(/^# TYPE (\S+)/gm), ([, name = ""]) => name),
  );
  for (const query of queries) {
    const used = query.match(/\b(?:omoi|http|nodejs|process)_[a-z0-9_]+/g) ?? [];
    expect([query, used.length > 0]).toEqual([query, true]);
    const missing = used.filter((name) => !names.has(name.replace(/_(bucket|sum|count)$/, "")));
    expect([query, missing]).toEqual([query, []]);
  }
});

test("the files of the guide are YAML, with one data source and one provider", async () => {
  const [, sources = "", dashboards = ""] = await codeBlocks(GUIDE, "yaml");
  expect(parse(sources)).toMatchObject({ apiVersion: 1, datasources: [{ type: "prometheus" }] });
  expect(parse(dashboards)).toMatchObject({ apiVersion: 1, providers: [{ type: "file" }] });
});

test.skipIf(prometheus === undefined)(
  `Prometheus scrapes with the guide's configuration and answers each query${prometheus ? "" : " (skipped: prometheus is not installed)"}`,
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "omoi-prometheus-"));
    const port = await freePort();
    writeFileSync(join(folder, "token"), TOKEN);
    writeFileSync(
      join(folder, "prometheus.yml"),
      config
        .replace("scheme: https", "scheme: http")
        .replace("omoi.example.com", JSON.stringify(new URL(app.url).host))
        .replace("/etc/prometheus/omoi-token", join(folder, "token"))
        .replace("/etc/prometheus/omoi-alerts.yaml", join(root, "deploy/prometheus/alerts.yaml"))
        .replace("scrape_interval: 15s", "scrape_interval: 1s"),
    );
    const child = spawn(
      prometheus as string,
      [
        `--config.file=${join(folder, "prometheus.yml")}`,
        `--storage.tsdb.path=${join(folder, "data")}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: ["ignore", "ignore", "pipe"] },
    );
    let said = "";
    child.stderr.on("data", (text) => (said += String(text)));
    const ask = async (query: string) => {
      const url = new URL("/api/v1/query", `http://127.0.0.1:${port}`);
      url.searchParams.set("query", query);
      return (await (await fetch(url)).json()) as {
        status: string;
        error?: string;
        data?: { result: { value: [number, string] }[] };
      };
    };
    try {
      await vi.waitFor(
        async () => {
          const { data } = await ask('up{job="omoi"}');
          expect([said, data?.result.map(({ value }) => value[1])]).toEqual([said, ["1"]]);
        },
        { timeout: 120_000, interval: 500 },
      );
      for (const query of queries) {
        const { status, error } = await ask(query);
        expect([query, status, error]).toEqual([query, "success", undefined]);
      }
      // Two scrapes give a rate. A new installation has no merges, git commands and calls of models yet.
      const busy = queries.filter(
        (query) => !/omoi_(merges_total|git_command|model_tokens)/.test(query),
      );
      expect(busy.length).toBeGreaterThan(25);
      await vi.waitFor(
        async () => {
          for (const query of busy) {
            const { data } = await ask(query);
            expect([query, data?.result.length]).not.toEqual([query, 0]);
          }
        },
        { timeout: 120_000, interval: 500 },
      );
    } finally {
      child.kill();
      await once(child, "exit");
      rmSync(folder, { recursive: true });
    }
  },
);
