import type { CommitStatusSchema, EditPipelineStatusOptions } from "@gitbeaker/rest";
import { notFound } from "../forge-double.js";
import type { DoubleStatus } from "../records.js";
import { inProject, paged, project, type Fields } from "./paths.js";
import type { Routes } from "../routes.js";

const { ofRepository } = inProject;
const edit = {
  name: "string",
  target_url: "string",
  description: "string",
} satisfies Fields<EditPipelineStatusOptions>;

export const checkRoutes: Routes = {
  [`GET ${project}/repository/commits/{sha}/statuses`]: {
    query: { ...paged, name: "string" },
    answer: ofRepository(({ repository, parts, query }) => {
      const sha = parts["sha"] ?? "";
      const jobs = (repository.checks.get(sha) ?? []).map((check) => ({
        id: repository.checkId(check),
        name: check.name,
        status: check.status === "failure" ? "failed" : check.status,
        target_url: check.url,
      }));
      const external = (repository.statuses.get(sha) ?? []).map((status, index) => ({
        id: index + 1,
        name: status.name,
        status: status.state === "failure" ? "failed" : status.state,
        target_url: status.url ?? "",
      }));
      const all: Partial<CommitStatusSchema>[] = [...jobs, ...external] as never;
      const wanted = query.get("name");
      return { body: all.filter(({ name }) => wanted === null || name === wanted) };
    }),
  },
  [`POST ${project}/statuses/{sha}`]: {
    body: { ...edit, state: "string" },
    answer: ofRepository(({ repository, parts, body, login }) => {
      const {
        name = "",
        state = "",
        description = "",
        target_url: url = null,
      } = body as Record<string, string>;
      const sha = parts["sha"] ?? "";
      const shown = (state === "failed" ? "failure" : state) as DoubleStatus["state"];
      const known = repository.statuses.get(sha)?.find((one) => one.name === name);
      if (known?.state === shown) {
        const message = `Cannot transition status via :enqueue from :${state} (Reason(s): Status cannot transition via "enqueue")`;
        return { status: 400, body: { message } };
      }
      repository.setStatus(sha, { name, state: shown, description, url }, login);
      return { status: 201, body: { name, status: state } };
    }),
  },
  [`GET ${project}/jobs/{job_id}/trace`]: {
    answer: ofRepository(({ double, repository, parts }) => {
      const log = repository.checkOf(Number(parts["job_id"]))?.log;
      return log === undefined ? notFound : double.logAnswer(log);
    }),
  },
};
