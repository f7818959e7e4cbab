import { randomUUID } from "node:crypto";
import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

/** Inserts notifications of a person that were sent by email, and a webhook whose address is refused. */
export async function insertNotifications(
  app: Pick<TestApp, "owner">,
  orgId: string,
  userId: string,
  count = 1,
): Promise<void> {
  await queryAsOwner(
    app,
    `insert into notification_webhooks (id, user_id, url, sealed_secret)
     values ($1, $2, 'https://127.0.0.1/hook', '') on conflict do nothing`,
    [randomUUID(), userId],
  );
  await queryAsOwner(
    app,
    `insert into notification_choices values ($2, $1, 'conflict', true, false, 'own')
     on conflict do nothing`,
    [orgId, userId],
  );
  await queryAsOwner(
    app,
    `with told as (
       insert into notifications (id, user_id, org_id, kind, key, type, data, happened_at)
       select id, $2, $1, 'run_failed', id::text, 'run.failed', '{}', now()
       from (select gen_random_uuid() as id from generate_series(1, $3::int)) made returning id
     )
     insert into notification_deliveries (id, notification_id, user_id, channel, status, ended_at,
       next_attempt_at)
     select id, id, $2, 'email', 'delivered', now(), null from told`,
    [orgId, userId, count],
  );
}
