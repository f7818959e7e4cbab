import { randomUUID } from "node:crypto";
import { queryAsOwner } from "./queries.js";
import type { TestApp } from "../server/app.js";

/** Inserts an event of a connection that nothing follows from, and returns its id. */
export async function insertDelivery(
  app: Pick<TestApp, "owner">,
  forgeId: string,
  id: string = randomUUID(),
): Promise<string> {
  await queryAsOwner(
    app,
    `insert into forge_deliveries (id, org_id, forge_id, delivery_id, source, event, status, decision, reason)
     select $1::uuid, org_id, id, $1::text, 'webhook', 'ping', 'ignored', 'ignored', 'Nothing follows from it.'
     from forges where id = $2`,
    [id, forgeId],
  );
  return id;
}

/** Inserts a row into each table of what was seen on a forge and is kept there, for a pull request with a review. */
export async function insertForgeEvents(
  app: Pick<TestApp, "owner">,
  { forgeId, pullRequestId }: { forgeId: string; pullRequestId: string },
): Promise<void> {
  await insertDelivery(app, forgeId);
  const ofRequest = [
    `insert into forge_seen (project_id, kind, number, org_id, state)
     select project_id, 'issue', 1, org_id, '{}' from pull_requests where id = $1`,
    `insert into task_issues (task_id, org_id, project_id, forge_id, repository, number, url)
     select task_id, org_id, project_id, forge_id, repository, 1, url from pull_requests where id = $1`,
    `insert into forge_questions (task_id, asked_at, org_id, kind, number)
     select task_id, now(), org_id, 'issue', 1 from pull_requests where id = $1`,
    `insert into forge_threads (thread_id, org_id, pull_request_id)
     select t.id, q.org_id, q.id from pull_requests q join review_threads t on t.task_id = q.task_id where q.id = $1`,
    `insert into forge_comments (comment_id, org_id, pull_request_id)
     select c.id, q.org_id, q.id from pull_requests q join review_threads t on t.task_id = q.task_id
     join review_comments c on c.thread_id = t.id where q.id = $1`,
    `insert into forge_statuses (pull_request_id, org_id, shown) select id, org_id, '' from pull_requests where id = $1`,
  ];
  for (const statement of ofRequest) await queryAsOwner(app, statement, [pullRequestId]);
}
