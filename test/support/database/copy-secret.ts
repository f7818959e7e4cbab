import type { TestApp } from "../server/app.js";
import { queryAsOwner } from "./queries.js";

/**
 * Copies the only secret of an organization and its projects, `SECRET_1`, to others until there are `count`. Saves as
 * many calls; no run can read the copies.
 */
export async function copySecret(
  app: Pick<TestApp, "owner">,
  orgId: string,
  count: number,
): Promise<void> {
  await queryAsOwner(
    app,
    `insert into secrets (org_id, project_id, name, kind, sealed, set_by)
     select org_id, project_id, 'SECRET_' || nth, kind, sealed, set_by
     from secrets, generate_series(2, $2::int) as nth where org_id = $1 and name = 'SECRET_1'`,
    [orgId, count],
  );
}
