import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, page, timestamp } from "../../contract/fields.js";
import { modelUsage } from "./budgets.js";

const figure = z.strictObject({
  current: z.number().describe("Amount in use"),
  limit: z.number().describe("The organization's limit"),
});

export const usageFigures = z.strictObject({
  period_start: timestamp.describe("Start of the calendar month in UTC"),
  period_end: timestamp.describe("Start of the next calendar month in UTC"),
  concurrent_agents: figure.describe("Agents with a run in progress"),
  runtime_hours: figure.describe("Hours of runs since `period_start`, rounded to four decimals"),
});
export type Usage = z.output<typeof usageFigures>;

export const projectUsage = z.strictObject({
  project_id: id.describe("Id of the project"),
  project_name: z.string().describe("Name of the project"),
  agents: z.number().describe("Number of agents with runs in the period"),
  runs: z.number().describe("Number of runs in the period"),
  runtime_hours: z.number().describe("Hours of these runs, rounded to four decimals"),
});
export type ProjectUsage = z.output<typeof projectUsage>;

export const agentUsage = z.strictObject({
  agent_id: id.nullable().describe("Null for the builds of the project's environment"),
  agent_name: z.string().describe("Name of the agent"),
  project_id: id.describe("Id of the project"),
  project_name: z.string().describe("Name of the project"),
  runs: z.number().describe("Number of runs in the period"),
  runtime_hours: z.number().describe("Hours of these runs, rounded to four decimals"),
});
export type AgentUsage = z.output<typeof agentUsage>;

export const dayUsage = z.strictObject({
  date: z.iso.date().describe("Day in UTC"),
  runtime_hours: z.number().describe("Hours of runs on that day, rounded to four decimals"),
  peak_concurrent_agents: z
    .number()
    .describe("Largest number of agents with a run at the same time on that day"),
});
export type DayUsage = z.output<typeof dayUsage>;

/** The calls to a model. */
export const modelRow = modelUsage.extend({
  provider: z.string().describe("Name of the provider"),
  model: z.string().describe("Name of the model, as the provider reports it"),
});
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
  cost_usd: used("US dollars; calls to models without a price are not in it").describe(
    "US dollars; calls to models without a price are not counted",
  ),
  tokens: used("Tokens of every kind").describe("Tokens of every kind"),
});
export type ModelBudget = z.output<typeof modelBudget>;

const diskOf = {
  workspaces_bytes: z
    .number()
    .describe("Bytes of the workspaces' own folders; base layers of overlays count as layers"),
  repositories_bytes: z.number().describe("Bytes of the repositories"),
  layers_bytes: z.number().describe("Bytes of layers that workspaces share"),
  measured_at: timestamp
    .nullable()
    .describe("When the oldest figure was measured; null before the first measurement"),
};
export const diskUsage = z.strictObject({
  ...diskOf,
  projects: z
    .array(
      z.strictObject({
        project_id: id.describe("Id of the project"),
        project_name: z.string().describe("Name of the project"),
        ...diskOf,
      }),
    )
    .describe("Figures by project, the largest first"),
});
export type DiskUsage = z.output<typeof diskUsage>;

/** A UTC calendar month, such as `2026-10`. */
export const period = z
  .string("must be a month")
  .regex(/^\d{4}-(0[1-9]|1[0-2])$/, "must be a month, such as 2026-10");

export const statementItem = z.strictObject({
  period: period.describe("Calendar month in UTC, `YYYY-MM`"),
  period_start: timestamp.describe("Start of the month"),
  period_end: timestamp.describe("Start of the next month"),
  status: z.enum(["open", "closed"]).describe("`open` while the month goes on, then `closed`"),
  runtime_hours: z.number().describe("Hours of runs in the month, rounded to four decimals"),
  agents: z.number().describe("Number of agents with runs in the month"),
  runs: z.number().describe("Number of runs in the month"),
  peak_concurrent_agents: z
    .number()
    .describe("Largest number of agents with a run at the same time"),
});
export type StatementItem = z.output<typeof statementItem>;

export const statement = statementItem.extend({
  organization: z
    .strictObject({
      id: id.describe("Id of the organization"),
      name: z.string().describe("Name of the organization"),
      slug: z.string().describe("Current slug"),
    })
    .describe("The organization"),
  billing_email: z.string().nullable().describe("Email address for statements; null if not given"),
  current_limits: z
    .strictObject({
      max_concurrent_agents: z
        .number()
        .describe("Maximum number of agents with a run at the same time"),
      max_agent_runtime_hours: z.number().describe("Maximum hours of runs in a calendar month"),
    })
    .describe("Today's limits: limits of past months are not stored"),
  by_project: z.array(projectUsage).describe("Figures by project"),
  by_agent: z.array(agentUsage).describe("Figures by agent"),
  by_day: z.array(dayUsage).describe("Figures by day"),
  by_model: z.array(modelRow).describe("Figures by model"),
});
export type Statement = z.output<typeof statement>;

/** For links in web pages, which cannot set `Accept`. */
const format = z.enum(["json", "csv"]).optional();

const orgParams = z.strictObject({
  org_id: z
    .string()
    .min(1)
    .max(63)
    .describe("Id or slug of the organization; a former slug works, too"),
});

export const usage = {
  get: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/usage",
    access: "org:read",
    summary:
      "Get the usage of a UTC calendar month with today's limits, and rows that add up to it; CSV with Accept: text/csv",
    params: orgParams,
    query: z.strictObject({
      by: z
        .enum(["agent", "project", "day", "model"])
        .optional()
        .describe("Adds `rows` by agent, project, day or model"),
      period: period
        .optional()
        .describe("Calendar month in UTC, `YYYY-MM`; by default the current one"),
      budget_of: id
        .optional()
        .describe("The organization, or one of its projects or agents: adds its `model_budget`"),
      format: format.describe("`csv` for a file, as an alternative to `Accept: text/csv`"),
    }),
    response: usageFigures.extend({
      rows: z
        .array(z.union([agentUsage, projectUsage, dayUsage, modelRow]))
        .optional()
        .describe("Figures by agent, project, day or model, as `by` requests"),
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
    query: page.extend({
      format: format.describe("`csv` for a file, as an alternative to `Accept: text/csv`"),
    }),
    response: z.array(statementItem),
    media: ["text/csv"],
  }),
  statement: endpoint({
    method: "GET",
    path: "/api/v1/organizations/{org_id}/statements/{period}",
    access: "org:billing:read",
    summary: "Get a month by project, agent and day; CSV with Accept: text/csv",
    params: orgParams.extend({ period: period.describe("Calendar month in UTC, `YYYY-MM`") }),
    query: z.strictObject({
      format: format.describe("`csv` for a file, as an alternative to `Accept: text/csv`"),
    }),
    response: statement,
    media: ["text/csv"],
  }),
};
