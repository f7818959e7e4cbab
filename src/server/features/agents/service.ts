import type { Agent } from "#shared/api/agents.js";
import { newId } from "../../db/columns.js";
import { brokenConstraint } from "../../db/connect.js";
import { AppError, invalidField, notFound } from "../../errors.js";
import type { OrgContext } from "../../http/mount.js";
import { addAgentMember } from "../members/service.js";
import * as repository from "./repository.js";

/**
 * Creates an agent, a member with the role `agent_executor`.
 * @throws AppError 409 `name_taken`; 422 where the parent is no agent of this project
 */
export async function createAgent(
  context: OrgContext,
  input: {
    project_id: string;
    name: string;
    description?: string | null | undefined;
    parent_agent_id?: string | null | undefined;
  },
): Promise<Agent> {
  const id = newId();
  const parentId = input.parent_agent_id ?? null;
  try {
    return await context.tx(async (tx) => {
      if (parentId !== null) {
        const parent = await repository.findAgent(tx, parentId);
        if (parent?.project_id !== input.project_id) {
          throw invalidField("parent_agent_id", "names no agent of this project", "unknown_id");
        }
      }
      await repository.insertAgent(tx, {
        id,
        org_id: context.orgId,
        project_id: input.project_id,
        name: input.name,
        description: input.description ?? null,
        parent_agent_id: parentId,
      });
      await addAgentMember(tx, context.orgId, id, context.actor.userId);
      return (await repository.findAgent(tx, id)) as Agent;
    });
  } catch (error) {
    if (brokenConstraint(error) !== "agents_org_name_key") throw error;
    throw new AppError("name_taken", `An agent "${input.name}" exists here; choose another name.`, {
      errors: [{ loc: ["body", "name"], msg: "is taken in this organization", type: "name_taken" }],
    });
  }
}

export async function readAgent(context: OrgContext, id: string): Promise<Agent> {
  const agent = await context.tx((tx) => repository.findAgent(tx, id));
  if (!agent) throw notFound();
  return agent;
}
