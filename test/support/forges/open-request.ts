import { expect } from "vitest";
import type { PullRequest } from "#shared/api/work/pull-requests.js";
import { acpAgent } from "../fixtures/acp-agent.js";
import type { TestPerson } from "../server/app.js";
import type { LinkedProject } from "./linked-project.js";
import type { DoublePull } from "./records.js";

/** A task whose scripted agent has ended its turn with changes, and its pull request on the double. */
export async function openRequest(
  owner: TestPerson,
  { project, shop }: LinkedProject,
  body: string,
): Promise<{ taskId: string; request: PullRequest; pull: DoublePull }> {
  const { data: task } = await owner.api.tasks.create({
    params: { project_id: project.id },
    body: { body, title: "Round", command: acpAgent("load") },
  });
  const params = { task_id: task.id };
  await expect
    .poll(async () => (await owner.api.tasks.get({ params })).data.status)
    .toBe("in_review");
  const { data: request } = await owner.api.pullRequests.open({ params, body: {} });
  const pull = shop.pull(request.number ?? 0);
  if (!pull) throw new Error("no pull request");
  return { taskId: task.id, request, pull };
}
