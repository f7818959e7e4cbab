import { randomUUID } from "node:crypto";
import { queryAsOwner } from "./queries.js";
import type { TestApp } from "../server/app.js";

/** Inserts an automation of a project that is switched off, with a decided firing. Returns its id. */
export async function insertAutomation(
  app: Pick<TestApp, "owner">,
  projectId: string,
  userId: string,
): Promise<string> {
  const id = randomUUID();
  await queryAsOwner(
    app,
    `insert into automations (id, org_id, project_id, name, status, triggers, event_types, filter, action, owner_id,
       origin, per_day, at_once, overlap)
     select $1, org_id, id, 'Nightly', 'disabled', '[{"type": "webhook", "signed": false}]', '{}', '[]',
       '{"type": "prompt_task", "text": "Go on"}', $3, '{"actor": null, "ip": null, "requestId": null}', 50, 5, 'queue'
     from projects where id = $2`,
    [id, projectId, userId],
  );
  await queryAsOwner(
    app,
    `insert into automation_firings (id, org_id, project_id, automation_id, event_id, type, event, decision, decided_at)
     select $1, org_id, project_id, id, 'webhook 1', 'webhook', '{"trust": "untrusted", "by": null, "values": {}}',
       'skipped', now()
     from automations where id = $2`,
    [randomUUID(), id],
  );
  return id;
}
