import { randomUUID } from "node:crypto";
import type { Agent } from "#shared/api/work/agents.js";
import type { NewRun, Run } from "#shared/api/execution/runs.js";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  generateRunnerToken,
  hashRunnerToken,
} from "#server/features/execution/runners/manage-runners.js";
import { queryAsOwner } from "../database/queries.js";
import { makeAgent } from "../fixtures/factories.js";
import type { TestApp, TestPerson } from "../server/app.js";

/** Stores the cluster, as a server that uses one does. Returns its id. */
export async function insertCluster(app: TestApp): Promise<string> {
  const id = randomUUID();
  await queryAsOwner(
    app,
    "insert into runners (id, name, kind, networks) values ($1, 'kubernetes', 'cluster', '{none,restricted,full}')",
    [id],
  );
  return id;
}

/** An agent whose runs are Jobs of the cluster. */
export async function makeInCluster(
  person: Pick<TestPerson, "api">,
  projectId: string,
): Promise<{ agent: Agent; workspace: Workspace }> {
  const agent = await makeAgent(person, projectId);
  const body = { workspace_type: "kubernetes" } as const;
  const { data } = await person.api.workspaces.create({ params: { agent_id: agent.id }, body });
  return { agent, workspace: data };
}

/** Queues a run, and offers it to a Job. Returns the token of the Job. */
export async function queueJob(
  app: TestApp,
  person: Pick<TestPerson, "api">,
  clusterId: string,
  agent: Pick<Agent, "id">,
  body: NewRun,
): Promise<{ run: Run; token: string }> {
  const { data: run } = await person.api.runs.create({ params: { agent_id: agent.id }, body });
  const token = generateRunnerToken();
  await queryAsOwner(
    app,
    `update runs set runner_id = $2, offered_until = now() + interval '10 min', job_token_hash = $3 where id = $1`,
    [run.id, clusterId, hashRunnerToken(app.db.verificationKey, token)],
  );
  return { run, token };
}
