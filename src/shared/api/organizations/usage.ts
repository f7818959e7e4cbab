import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";
import { modelUsage } from "./budgets.js";

const figure = z.strictObject({ current: z.number(), limit: z.number() });

export const usageFigures = z.strictObject({
  period_start: timestamp,
  period_end: timestamp,
  concurrent_agents: figure,
  runtime_hours: figure,
});
export type Usage = z.output<typeof usageFigures>;

export const projectUsage = z.strictObject({
  project_id: id,
  project_name: z.string(),
  agents: z.number(),
  runs: z.number(),
  runtime_hours: z.number(),
});
export type ProjectUsage = z.output<typeof projectUsage>;

export const agentUsage = z.strictObject({
  /** Null for the builds of the project's environment. */
  agent_id: id.nullable(),
  agent_name: z.string(),
  project_id: id,
  project_name: z.string(),
  runs: z.number(),
  runtime_hours: z.number(),
});
export type AgentUsage = z.output<typeof agentUsage>;

export const dayUsage = z.strictObject({
  date: z.iso.date(),
  runtime_hours: z.number(),
  peak_concurrent_agents: z.number(),
});
export type DayUsage = z.output<typeof dayUsage>;

/** The calls to a model. */
export const modelRow = modelUsage.extend({ provider: z.string(), model: z.string() });
export type ModelRow = z.output<typeof modelRow>;

const used = (what: string) =>
  z
    .strictObject({
      used: z
        .number()
        .describe("What the calls of the month count, also those made without a budget"),
      limit: z.number().nullable().describe("The budget; null for none"),
    })
    .describe(what);

/** The budgets of an organization, a project or an agent, and how much of them is used. */
export const modelBudget = z.strictObject({
  cost_usd: used("US dollars; calls to models without a price are not in it"),
  tokens: used("Tokens of every kind"),
});
export type ModelBudget = z.output<typeof modelBudget>;

const diskOf = {
  /** Disk usage of workspaces: their own folders; the base layers of overlays count as layers. */
  workspaces_bytes: z.number(),
  repositories_bytes: z.number(),
  layers_bytes: z.number(),
  /** When the oldest figure was measured; null before the first measurement. */
  measured_at: timestamp.nullable(),
};
export const diskUsage = z.strictObject({
  ...diskOf,
  /** Largest first. */
  projects: z.array(z.strictObject({ project_id: id, project_name: z.string(), ...diskOf })),
});
export type DiskUsage = z.output<typeof diskUsage>;

/** A UTC calendar month, such as `2026-10`. */
export const period = z
  .string("must be a month")
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, "must be a month, such as 2026-10");

export const statementItem = z.strictObject({
  period,
  period_start: timestamp,
  period_end: timestamp,
  status: z.enum(["open", "closed"]),
  runtime_hours: z.number(),
  agents: z.number(),
  runs: z.number(),
  peak_concurrent_agents: z.number(),
});
export type StatementItem = z.output<typeof statementItem>;

export const statement = statementItem.extend({
  organization: z.strictObject({ id, name: z.string(), slug: z.string() }),
  billing_email: z.string().nullable(),
  /** Today's limits: limits of past months are not stored. */
  current_limits: z.strictObject({
    max_concurrent_agents: z.number(),
    max_agent_runtime_hours: z.number(),
  }),
  by_project: z.array(projectUsage),
  by_agent: z.array(agentUsage),
  by_day: z.array(dayUsage),
  by_model: z.array(modelRow),
});
export type Statement = z.output<typeof statement>;

/** For links in web pages, which cannot set `Accept`. */
const format = z.enum(["json", "csv"]).optional();

const orgParams = z.strictObject({ org_id: z.string().min(1).max(63) });

export const usage = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/usage",
    access: "org:read",
    summary:
      "Get the usage of a UTC calendar month with today's limits, and rows that add up to it; CSV with Accept: text/csv",
    params: orgParams,
    query: z.strictObject({
      by: z.enum(["agent", "project", "day", "model"]).optional(),
      period: period.optional(),
      budget_of: id
        .optional()
        .describe("The organization, or one of its projects or agents: adds its `model_budget`"),
      format,
    }),
    response: usageFigures.extend({
      rows: z.array(z.union([agentUsage, projectUsage, dayUsage, modelRow])).optional(),
      model_budget: modelBudget
        .optional()
        .describe("Of `budget_of`, in the current UTC calendar month"),
    }),
    media: ["text/csv"],
  }),
  disk: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/disk-usage",
    access: "org:read",
    summary: "Get the disk usage of the organization's workspaces and repositories",
    params: orgParams,
    response: diskUsage,
  }),
  statements: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/statements",
    access: "org:billing:read",
    summary:
      "List the months with runs and the current one, newest first; CSV with Accept: text/csv",
    params: orgParams,
    query: page.extend({ format }),
    response: z.array(statementItem),
    media: ["text/csv"],
  }),
  statement: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/statements/{period}",
    access: "org:billing:read",
    summary: "Get a month by project, agent and day; CSV with Accept: text/csv",
    params: orgParams.extend({ period }),
    query: z.strictObject({ format }),
    response: statement,
    media: ["text/csv"],
  }),
};
