import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

/**
 * Adds people named "Crowd 1", "Crowd 2" and so on to an organization as viewers, as the owner of
 * the database: a thousand of them through the API would take minutes.
 */
export async function insertMembers(
  app: Pick<TestApp, "owner">,
  orgId: string,
  count: number,
): Promise<void> {
  await queryAsOwner(
    app,
    `with added as (
       insert into users (id, email, full_name)
       select gen_random_uuid(), 'crowd-' || n || '@example.com', 'Crowd ' || n
       from generate_series(1, $2::int) n returning id
     )
     insert into memberships (id, org_id, user_id, role_id)
     select gen_random_uuid(), $1, id, '00000000-0000-7000-8000-000000000004' from added`,
    [orgId, count],
  );
}
