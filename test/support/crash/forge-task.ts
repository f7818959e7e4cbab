import { expect } from "vitest";
import { acpAgent } from "../fixtures/acp-agent.js";
import type { ForgeDouble } from "../forges/forge-double.js";
import type { DoubleRepository } from "../forges/repository.js";
import type { CrashingServer } from "./crashing-server.js";

const token = "a-token-of-the-forge-0123456789";

export interface ForgeTask {
  taskId: string;
  repository: DoubleRepository;
}

/** Creates a project of the forge's double, and a task whose agent has changed a file. */
export async function makeForgeTask(
  { api, project: { organization_id } }: CrashingServer,
  forge: ForgeDouble,
): Promise<ForgeTask> {
  forge.tokens.set(token, { login: "lead", reach: null });
  const repository = await forge.addRepository("acme/shop", { "a.txt": "a\n" });
  const { data: connection } = await api.forges.create({
    params: { org_id: organization_id },
    body: { kind: "gitea", url: forge.url, token },
  });
  const body = { organization_id, name: "Shop", forge_id: connection.id, repository: "acme/shop" };
  const { data: project } = await api.projects.create({ body });
  const params = { project_id: project.id };
  await expect.poll(async () => (await api.projects.get({ params })).data.status).toBe("ready");
  const { data: task } = await api.tasks.create({
    params,
    body: { body: "write b.txt hello", title: "Greet", command: acpAgent("load") },
  });
  const read = () => api.tasks.get({ params: { task_id: task.id } });
  await expect.poll(async () => (await read()).data.attempts[0]?.status).toBe("ready");
  return { taskId: task.id, repository };
}
