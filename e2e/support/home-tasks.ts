import type { AttentionKind } from "#shared/api/work/tasks.js";
import { insertTask } from "#test/support/database/insert-task.js";
import { makeAgent } from "#test/support/fixtures/factories.js";
import type { TestApp, TestPerson } from "#test/support/server/app.js";

export type MakeTask = (
  title: string,
  attention: { kind: AttentionKind; summary?: string; since?: string } | undefined,
  options?: { ownerId?: string; agentId?: string | undefined },
) => Promise<string>;

/** Returns a function that inserts a task; without `agentId` it has a new agent of the project. */
export function taskMaker(app: TestApp, owner: TestPerson, projectId: string): MakeTask {
  return async (title, attention, { ownerId = owner.id, agentId } = {}) =>
    insertTask(app, {
      ownerId,
      title,
      agentIds: [agentId ?? (await makeAgent(owner, projectId)).id],
      ...(attention && { attention }),
    });
}

export const minutesAgo = (minutes: number): string =>
  new Date(Date.now() - minutes * 60_000).toISOString();
