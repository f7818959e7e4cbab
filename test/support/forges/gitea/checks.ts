import type { CommitStatus, CreateStatusOption } from "gitea-js";
import { notFound } from "../forge-double.js";
import type { DoubleStatus } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import type { Routes } from "../routes.js";
import { inRepository, paged } from "./paths.js";
import type { Fields } from "./pulls.js";

const { ofRepository } = inRepository;
const base = "/repos/{owner}/{repo}";
const create = {
  context: "string",
  state: "string",
  description: "string",
  target_url: "string",
} satisfies Fields<CreateStatusOption>;

export const checkRoutes: Routes = {
  [`GET ${base}/commits/{ref}/status`]: {
    query: paged,
    answer: ofRepository(({ repository, parts }) => ({
      body: { state: "pending", statuses: statusesOf(repository, parts["ref"] ?? "") },
    })),
  },
  [`POST ${base}/statuses/{sha}`]: {
    body: create,
    answer: ofRepository(({ repository, parts, body, login }) => {
      const { context = "", state, description = "", target_url: url } = body as CreateStatusOption;
      const status = { name: context, state, description, url: url ?? null } as DoubleStatus;
      repository.setStatus(parts["sha"] ?? "", status, login);
      return { status: 201, body: { context, status: status.state } satisfies CommitStatus };
    }),
  },
  // The following came with Gitea 1.25; the types of the client are older.
  [`GET ${base}/actions/runs`]: {
    query: { ...paged, head_sha: "string" },
    answer: ofRepository(({ repository, query }) => {
      const sha = query.get("head_sha") ?? "";
      const known = [...repository.checks.keys()].indexOf(sha);
      return { body: { workflow_runs: known < 0 ? [] : [{ id: known + 1, head_sha: sha }] } };
    }),
  },
  [`GET ${base}/actions/runs/{run}/jobs`]: {
    query: paged,
    answer: ofRepository(({ repository, parts }) => {
      const checks = [...repository.checks.values()][Number(parts["run"]) - 1] ?? [];
      const jobs = checks.map((check) => ({
        id: repository.checkId(check),
        name: check.name,
        conclusion: check.status,
      }));
      return { body: { jobs } };
    }),
  },
  [`GET ${base}/actions/jobs/{job_id}/logs`]: {
    answer: ofRepository(({ double, repository, parts }) => {
      const log = repository.checkOf(Number(parts["job_id"]))?.log;
      return log === undefined ? notFound : double.logAnswer(log);
    }),
  },
};

function statusesOf(repository: DoubleRepository, sha: string): CommitStatus[] {
  const checks = (repository.checks.get(sha) ?? []).map((check) => ({
    context: check.name,
    status: check.status,
    target_url: check.url,
  }));
  const statuses = (repository.statuses.get(sha) ?? []).map(
    ({ name, state, description, url }) => ({
      context: name,
      status: state,
      description,
      target_url: url ?? "",
    }),
  );
  return [...checks, ...statuses];
}
