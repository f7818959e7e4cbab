import type { components } from "@octokit/openapi-types";
import { notFound } from "../forge-double.js";
import type { DoubleStatus } from "../records.js";
import type { Answering, Asked } from "../routes.js";
import { inRepository } from "./paths.js";

type Schemas = components["schemas"];

const { ofRepository } = inRepository;
const base = "/repos/{owner}/{repo}";

export const checkAnswers: Record<string, Answering<Asked>> = {
  [`GET ${base}/commits/{ref}/check-runs`]: ofRepository(({ repository, parts, query }) => {
    const wanted = query.get("check_name");
    const checks = (repository.checks.get(parts["ref"] ?? "") ?? []).filter(
      ({ name }) => wanted === null || name === wanted,
    );
    const runs = checks.map((check) => ({
      id: repository.checkId(check),
      name: check.name,
      status: check.status === "pending" ? ("in_progress" as const) : ("completed" as const),
      conclusion: check.status === "pending" ? null : check.status,
      html_url: check.url,
      app: { slug: check.log === undefined ? "lint-bot" : "github-actions" } as never,
      output: {
        title: null,
        summary: check.log === undefined && check.status === "failure" ? "1 problem" : null,
        text: null,
        annotations_count: check.log === undefined && check.status === "failure" ? 1 : 0,
        annotations_url: "",
      },
    })) satisfies Partial<Schemas["check-run"]>[];
    return { body: { total_count: runs.length, check_runs: runs } };
  }),
  [`GET ${base}/check-runs/{check_run_id}/annotations`]: ofRepository(() => ({
    body: [{ path: "total.ts", start_line: 3, message: "Unexpected any" }] satisfies Partial<
      Schemas["check-annotation"]
    >[],
  })),
  [`GET ${base}/actions/jobs/{job_id}/logs`]: ofRepository(({ double, repository, parts }) => {
    const log = repository.checkOf(Number(parts["job_id"]))?.log;
    return log === undefined ? notFound : double.logAnswer(log);
  }),
  [`GET ${base}/commits/{ref}/status`]: ofRepository(({ repository, parts }) => {
    const statuses = (repository.statuses.get(parts["ref"] ?? "") ?? []).map((status) => ({
      context: status.name,
      state: status.state,
      description: status.description,
      target_url: status.url,
    })) satisfies Partial<Schemas["simple-commit-status"]>[];
    return { body: { state: "pending", statuses } };
  }),
  [`POST ${base}/statuses/{sha}`]: ofRepository(({ repository, parts, body, login }) => {
    const {
      context,
      state,
      description,
      target_url: url = null,
    } = body as {
      context: string;
      state: DoubleStatus["state"];
      description: string;
      target_url?: string;
    };
    repository.setStatus(parts["sha"] ?? "", { name: context, state, description, url }, login);
    return { status: 201, body: { context, state } };
  }),
};
