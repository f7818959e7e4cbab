import type { ReactElement } from "react";
import type { Agent } from "#shared/api/work/agents.js";
import type { Organization } from "#shared/api/organization/organizations.js";
import type { Project } from "#shared/api/code/projects.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { api } from "../../../../api/api-calls.js";
import { client } from "../../../../api/client.js";
import { editOptions } from "../../../../api/incoming.js";
import { agentQuery, agentsKey } from "../../../../api/queries/work/agents.js";
import {
  organizationQuery,
  organizationsKey,
} from "../../../../api/queries/organization/organizations.js";
import { projectQuery, projectsKey } from "../../../../api/queries/code/projects.js";
import { modelBudgetQuery } from "../../../../api/queries/organization/usage.js";
import { queryClient } from "../../../../api/query-client.js";
import { useForm } from "../../../../forms/use-form.js";
import { TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Card } from "../../../../ui/layout/card.js";
import { countOf } from "../../../../ui/text/number.js";
import { BudgetUse } from "./budget-use.js";
import { costText } from "./model-figures.js";
import { lowLimitText, useLimitQuestion } from "./use-limit-question.js";

interface Budgets {
  max_model_cost_usd: number | null;
  max_model_tokens: number | null;
}

const textOf = (limit: number | null): string => (limit === null ? "" : String(limit));
const numberOf = (text: string): number | null => (text.trim() === "" ? null : Number(text));

const budgetKinds = [
  { field: "max_model_cost_usd", kind: "cost_usd", textOf: costText },
  {
    field: "max_model_tokens",
    kind: "tokens",
    textOf: (tokens: number) => countOf(tokens, "token"),
  },
] as const;

interface BudgetsCardProps<Owner extends Budgets> {
  /** What has the budgets: "organization", "project" or "agent". */
  what: string;
  orgId: string;
  owner: Owner;
  refusal: DenyReason;
  read: () => Promise<Owner>;
  save: (
    body: { [Field in keyof Budgets]?: Budgets[Field] | undefined },
    headers: Record<string, string>,
  ) => Promise<{ data: Owner; status: number }>;
  refresh: readonly (readonly unknown[])[];
}

/** The monthly budgets for calls to models. */
function BudgetsCard<Owner extends Budgets & { id: string; updated_at: string }>({
  what,
  orgId,
  owner,
  refusal,
  read,
  save,
  refresh,
}: BudgetsCardProps<Owner>): ReactElement {
  const reason = refusal("org:limits:write");
  const form = useForm({
    endpoint: api.agents.update,
    ...editOptions(owner, read, ({ max_model_cost_usd, max_model_tokens }: Owner) => ({
      max_model_cost_usd: textOf(max_model_cost_usd),
      max_model_tokens: textOf(max_model_tokens),
    })),
    toBody: (values, changed) => ({
      ...(changed.has("max_model_cost_usd") && {
        max_model_cost_usd: numberOf(values.max_model_cost_usd),
      }),
      ...(changed.has("max_model_tokens") && {
        max_model_tokens: numberOf(values.max_model_tokens),
      }),
    }),
    run: (body, headers) => save(body, headers),
    refresh: [...refresh, modelBudgetQuery(orgId, owner.id).queryKey],
    successMessage: () => "The budgets are saved",
  });
  const question = useLimitQuestion({
    submit: form.submit,
    findWarnings: async () => {
      const { values } = form;
      const entered = budgetKinds.flatMap(({ field, kind, textOf: text }) =>
        values[field] === textOf(owner[field])
          ? []
          : [{ kind, text, limit: numberOf(values[field]), before: owner[field] }],
      );
      if (entered.every(({ limit }) => limit === null)) return [];
      const budget = await queryClient.fetchQuery({
        ...modelBudgetQuery(orgId, owner.id),
        staleTime: 0,
      });
      if (budget === null) return [];
      const low = entered.flatMap(({ kind, text, limit, before }) => {
        const { used } = budget[kind];
        const warning = lowLimitText(limit, used, text);
        return warning === undefined
          ? []
          : [{ warning, isStopped: before !== null && before <= used }];
      });
      if (low.length === 0) return [];
      return [
        ...low.map(({ warning }) => warning),
        low.every(({ isStopped }) => isStopped)
          ? "Calls to models stay stopped."
          : "Calls to models stop at once.",
      ];
    },
  });
  return (
    <Card title="Model budgets">
      <div className="mb-5">
        <BudgetUse orgId={orgId} ownerId={owner.id} />
      </div>
      <Form label="Model budgets" {...form.props} onSubmit={question.onSubmit} className="max-w-xl">
        <p className="text-muted">
          For the calls of the {what}'s runs to models in a calendar month (UTC). Above a budget,
          the next call is refused. Empty for none.
        </p>
        <SettingsHint reason={reason} />
        <TextField
          label="US dollars a month"
          {...form.field("max_model_cost_usd")}
          inputMode="decimal"
          disabledReason={reason}
          hint="A model without a price counts as the dearest of its provider, or is refused."
        />
        <TextField
          label="Tokens a month"
          {...form.field("max_model_tokens")}
          inputMode="numeric"
          disabledReason={reason}
          hint="Of every kind, also those read from a cache."
        />
        <SubmitButton disabledReason={reason} className="self-start">
          Save budgets
        </SubmitButton>
      </Form>
      {question.dialog}
    </Card>
  );
}

export function OrganizationBudgets({
  organization,
  refusal,
}: {
  organization: Organization;
  refusal: DenyReason;
}): ReactElement {
  const { id } = organization;
  return (
    <BudgetsCard
      what="organization"
      orgId={id}
      owner={organization}
      refusal={refusal}
      read={() => queryClient.fetchQuery({ ...organizationQuery(id), staleTime: 0 })}
      save={(body, headers) =>
        client.organizations.update({ params: { org_id: id }, body }, { headers })
      }
      refresh={[organizationsKey]}
    />
  );
}

export function ProjectBudgets({
  project,
  refusal,
}: {
  project: Project;
  refusal: DenyReason;
}): ReactElement {
  const { id } = project;
  return (
    <BudgetsCard
      what="project"
      orgId={project.organization_id}
      owner={project}
      refusal={refusal}
      read={() => queryClient.fetchQuery({ ...projectQuery(id), staleTime: 0 })}
      save={(body, headers) =>
        client.projects.update({ params: { project_id: id }, body }, { headers })
      }
      refresh={[projectsKey]}
    />
  );
}

export function AgentBudgets({
  agent,
  refusal,
}: {
  agent: Agent;
  refusal: DenyReason;
}): ReactElement {
  const { id } = agent;
  return (
    <BudgetsCard
      what="agent"
      orgId={agent.organization_id}
      owner={agent}
      refusal={refusal}
      read={() => queryClient.fetchQuery({ ...agentQuery(id), staleTime: 0 })}
      save={(body, headers) =>
        client.agents.update({ params: { agent_id: id }, body }, { headers })
      }
      refresh={[agentsKey]}
    />
  );
}
