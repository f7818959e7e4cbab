import { randomUUID } from "node:crypto";
import { inject } from "vitest";
import { encrypt, purposes } from "#server/encrypt.js";
import { queryAsOwner } from "./queries.js";
import type { TestApp } from "../server/app.js";

/**
 * Inserts a connection to a forge whose address is refused, with a login of a member and a pull request of an attempt. The project is not linked.
 * Returns their ids.
 */
export async function insertForge(
  app: Pick<TestApp, "owner">,
  attemptId: string,
): Promise<{ forgeId: string; pullRequestId: string }> {
  const [forgeId, pullRequestId] = [randomUUID(), randomUUID()];
  const credential = Buffer.from(JSON.stringify({ kind: "token", token: "not-a-token" }));
  const sealed = encrypt(inject("cluster").secret, purposes.forgeCredential, forgeId, credential);
  await queryAsOwner(
    app,
    `insert into forges (id, org_id, kind, name, url, api_url, auth, account, sealed)
     select $1, org_id, 'github', 'forge.invalid', 'https://forge.invalid', 'https://127.0.0.1:1/api/v3', 'token',
       'lead', $3 from task_attempts where id = $2`,
    [forgeId, attemptId, sealed],
  );
  await queryAsOwner(
    app,
    `insert into forge_people (org_id, forge_id, login, user_id, how)
     select f.org_id, f.id, 'lead', m.user_id, 'set' from forges f
     join memberships m on m.org_id = f.org_id and m.user_id is not null
     where f.id = $1 order by m.joined_at, m.id limit 1`,
    [forgeId],
  );
  await queryAsOwner(
    app,
    `insert into pull_requests (id, org_id, project_id, task_id, attempt_id, forge_id, repository, number, url, state,
       title, body, draft, base, head)
     select $1, a.org_id, t.project_id, t.id, a.id, $3, 'acme/shop', 1, 'https://forge.invalid/acme/shop/pull/1',
       'closed', 'A request', '', false, 'main', 'omoi/1-a-request'
     from task_attempts a join tasks t on t.id = a.task_id where a.id = $2`,
    [pullRequestId, attemptId, forgeId],
  );
  return { forgeId, pullRequestId };
}
