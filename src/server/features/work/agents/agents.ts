import type { Agent, AgentTask } from "#shared/api/work/agents.js";
import { budgetFields } from "#shared/api/organization/budgets.js";
import { changedBudgets } from "../../../access/access.js";
import { diffFields, type AuditWriter } from "../../../db/audit/audit.js";
import { newId } from "../../../db/tables/columns.js";
import { violatedConstraint, type Queryable } from "../../../db/connection/connect.js";
import { AppError, invalidField, notFound } from "../../../errors.js";
import type { CallerContext, OrgContext } from "../../../http/requests/request-context.js";
import { addAgentMember } from "../../organization/members/index.js";
import { type AgentRuns, readAgentRuns } from "../../execution/runs/index.js";
import * as queries from "./agents.queries.js";

interface NewAgent {
  id: string;
  project_id: string;
  name: string;
  description: string | null;
  parent_agent_id: string | null;
  task: AgentTask | null;
}

/** Inserts an agent, which becomes a member with the role `agent_executor`, in a change of its organization. */
export async function insertAgent(
  tx: Queryable,
  audit: AuditWriter,
  { orgId, actor }: Pick<CallerContext, "orgId" | "actor">,
  values: NewAgent,
): Promise<Agent> {
  await queries.insertAgent(tx, { ...values, org_id: orgId });
  await addAgentMember(tx, orgId, values.id, actor.userId);
  const agent = (await findAgent(tx, values.id)) as Agent;
  audit({
    action: "agent.created",
    target: targetOf(agent),
    changes: {
      ...diffFields(null, agent, ["project_id", "description", "parent_agent_id"]),
      ...(agent.task && { task: { from: null, to: agent.task.title } }),
    },
  });
  return agent;
}

/**
 * Creates an agent, which becomes a member with the role `agent_executor`.
 * @throws AppError 409 `name_taken`; 422 when the parent is not an agent of this project
 */
export async function createAgent(
  context: OrgContext,
  input: {
    project_id: string;
    name: string;
    description?: string | null | undefined;
    parent_agent_id?: string | null | undefined;
    task?: AgentTask | null | undefined;
  },
): Promise<Agent> {
  const id = newId();
  const parentId = input.parent_agent_id ?? null;
  try {
    return await context.change(async (tx, audit) => {
      if (!(await queries.isActiveProject(tx, input.project_id))) {
        throw invalidField("project_id", "does not name a project that you can see", "unknown_id");
      }
      if (parentId !== null) {
        const parent = await queries.findAgent(tx, parentId);
        if (parent?.project_id !== input.project_id || parent.status === "terminated") {
          throw invalidField(
            "parent_agent_id",
            "does not name an agent of this project",
            "unknown_id",
          );
        }
      }
      return insertAgent(tx, audit, context, {
        id,
        project_id: input.project_id,
        name: input.name,
        description: input.description ?? null,
        parent_agent_id: parentId,
        task: input.task ?? null,
      });
    });
  } catch (error) {
    if (violatedConstraint(error) !== "agents_org_name_key") throw error;
    throw new AppError(
      "name_taken",
      `An agent named "${input.name}" already exists; choose another name.`,
      {
        errors: [
          { loc: ["body", "name"], msg: "is taken in this organization", type: "name_taken" },
        ],
      },
    );
  }
}

export interface AgentChanges {
  description?: string | null | undefined;
  task?: AgentTask | null | undefined;
  max_model_cost_usd?: number | null | undefined;
  max_model_tokens?: number | null | undefined;
}

const targetOf = ({ id, name }: Agent) => ({ type: "agent", id, name }) as const;

/**
 * Changes an agent. Budgets need `org:limits:write`.
 * @throws AppError 403; 404
 */
export async function updateAgent(
  context: OrgContext,
  id: string,
  { description, task, ...fields }: AgentChanges,
): Promise<Agent> {
  return context.change(async (tx, audit, access) => {
    const budgets = changedBudgets(access, fields);
    const before = await queries.findAgent(tx, id);
    await queries.updateAgent(tx, id, {
      ...(description !== undefined && { description }),
      ...(task !== undefined && { task }),
      ...budgets,
    });
    const after = await findAgent(tx, id);
    if (!before || !after) throw notFound();
    const isSameTask =
      before.task?.title === after.task?.title && before.task?.text === after.task?.text;
    const changed = {
      ...diffFields(before, after, ["description", ...budgetFields]),
      // The title names the task; its text may be long.
      ...(!isSameTask && {
        task: { from: before.task?.title ?? null, to: after.task?.title ?? null },
      }),
    };
    if (Object.keys(changed).length > 0) {
      audit({ action: "agent.updated", target: targetOf(after), changes: changed });
    }
    return after;
  });
}

export async function readAgent(context: OrgContext, id: string): Promise<Agent> {
  const agent = await context.tx((tx) => findAgent(tx, id));
  if (!agent) throw notFound();
  return agent;
}

async function findAgent(tx: Queryable, id: string): Promise<Agent | undefined> {
  const row = await queries.findAgent(tx, id);
  return row && (await attachRuns(tx, [row]))[0];
}

const noRuns: AgentRuns = { current_run: null, queued_run: null, last_run: null };

/** Adds each agent's current, queued and last runs. */
export async function attachRuns(
  tx: Queryable,
  rows: readonly queries.AgentRow[],
): Promise<Agent[]> {
  const runs = await readAgentRuns(
    tx,
    rows.map(({ id }) => id),
  );
  return rows.map((row) => ({ ...row, ...(runs.get(row.id) ?? noRuns) }));
}
