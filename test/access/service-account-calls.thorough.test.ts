import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { grants, systemRoles } from "#shared/permissions.js";
import { systemRoleIds } from "#server/db/migrate.js";
import { startTestApp, type TestApp } from "../support/server/app.js";
import { insertDraft } from "../support/database/insert-review.js";
import { type Ask, askIn } from "../support/access/every-call.js";
import { walk, enter } from "../support/access/walk-calls.js";

/** The roles of service accounts, apart from those of people: an installation limits registrations. */
describe("exactly the granted calls succeed", () => {
  let app: TestApp;
  let ask: Ask;
  beforeAll(async () => {
    app = await startTestApp();
    ask = askIn(app);
  });
  afterAll(() => app.close());

  test.each(["admin", "member", "viewer", "agent_executor"] as const)(
    "for the key of a service account as %s, on every call",
    async (role) => {
      const { person, ids, slug } = await enter(app, "owner");
      const params = { org_id: ids.org_id };
      const permissions = [...systemRoles[role].permissions];
      const { data: executor } = await person.api.roles.create({
        params,
        body: { name: "robot", permissions },
      });
      const role_id = role === "agent_executor" ? executor.id : systemRoleIds[role];
      const { data: account } = await person.api.serviceAccounts.create({
        params,
        body: { name: "walker", role_id },
      });
      const { data: key } = await person.api.serviceAccounts.createKey({
        params: { ...params, service_account_id: account.id },
        body: { name: "walker", scopes: [`org:${slug}:*`] },
      });
      await insertDraft(app, ids.task_id, account.id);
      const { wrong, lost } = await walk(ask, {
        token: key.key as string,
        // Its role does not matter.
        may: (permission) =>
          permission !== "project:protection:write" && grants(permissions, permission),
        isKey: true,
        isServiceAccount: true,
        ids,
      });
      expect(wrong).toEqual([]);
      expect(lost).toEqual([]);
    },
    120_000,
  );
});
