import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, orgParams, page, timestamp } from "../../contract/fields.js";
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
  agent_id: nullable.id.describe("Null for the builds of the project's environment"),
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

/** Runs and calls to models of a person or a task. */
const costs = {
  runs: z.number().describe("Number of runs in the period"),
  runtime_hours: z.number().describe("Hours of these runs, rounded to four decimals"),
  requests: z.number().describe("Number of calls to models"),
  tokens: z.number().describe("Tokens of every kind"),
  cost_usd: z
    .number()
    .describe("US dollars of the calls whose model has a price, at the installation's prices"),
  unpriced_requests: z.number().describe("Calls to models without a price, which `cost_usd` lacks"),
};

export const personUsage = z.strictObject({
  person_id: nullable.id.describe(
    "Id of the user or service account: the owner of the run's task, or else the one who started the run; null for runs of neither, such as builds of environments",
  ),
  person_name: z.string().describe("Name of the user or service account"),
  tasks: z.number().describe("Number of tasks with runs in the period"),
  ...costs,
});
export type PersonUsage = z.output<typeof personUsage>;

/** Rows by task in a JSON response. */
export const maxTaskRows = 500;

export const taskUsage = z.strictObject({
  task_id: nullable.id.describe(
    `Null for all runs without a task together, and for the tasks after the first ${maxTaskRows} together`,
  ),
  task_number: nullable.integer.describe(
    "Number of the task in its project; null without `task_id`",
  ),
  task_title: z.string().describe("Title of the task"),
  project_id: nullable.id.describe("Id of the task's project; null without `task_id`"),
  project_name: nullable.string.describe("Name of the task's project; null without `task_id`"),
  owner_name: nullable.string.describe("Name of the task's owner; null without one"),
  ...costs,
});
export type TaskUsage = z.output<typeof taskUsage>;

export const monthCosts = z.strictObject({
  cost_usd: z
    .number()
    .describe("US dollars of the month's calls to models with a price, so far in the current one"),
  unpriced_requests: z.number().describe("Calls to models without a price, which the costs lack"),
  previous_cost_usd: nullable.number.describe(
    "US dollars of the month before, up to the same time in the current month; its last day counts in proportion. Null if the organization did not exist",
  ),
  forecast_usd: nullable.number.describe(
    "Estimate of US dollars at the end of the current month, if each day to come costs the mean of the last seven days. Null for a past month, and with less than a day of calls",
  ),
  days: z
    .array(
      z.strictObject({
        date: z.iso.date().describe("Day in UTC"),
        tokens: z.number().describe("Tokens of every kind on that day"),
        cost_usd: z.number().describe("US dollars of that day"),
      }),
    )
    .describe("Every day of the month"),
});
export type MonthCosts = z.output<typeof monthCosts>;

const used = (what: string) =>
  z
    .strictObject({
      used: z
        .number()
        .describe("What the calls of the month count, also those made without a budget"),
      limit: nullable.number.describe("The budget; null for none"),
    })
    .describe(what);

/** The budgets of an organization, a project or an agent, and how much of them is used. */
export const modelBudget = z.strictObject({
  cost_usd: used("US dollars").describe(
    "US dollars; under a budget, a model without a price counts as the dearest of its provider",
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
  measured_at: nullable.timestamp.describe(
    "When the oldest figure was measured; null before the first measurement",
  ),
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
  billing_email: nullable.string.describe("Email address for statements; null if not given"),
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
        .enum(["agent", "project", "day", "model", "person", "task"])
        .optional()
        .describe(
          "Adds `rows`; `person` also needs `org:members:read`, and `task` needs `project:task:read`",
        ),
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
        .array(z.union([agentUsage, projectUsage, dayUsage, modelRow, personUsage, taskUsage]))
        .optional()
        .describe(
          "Figures as `by` requests. The most expensive person or task is first; a row without an id is last",
        ),
      model_costs: monthCosts.optional().describe("Costs of calls to models; only by day"),
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
