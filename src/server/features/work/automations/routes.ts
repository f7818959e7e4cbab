import { automations, type Automation, type Firing } from "#shared/api/work/automations.js";
import { AppError } from "../../../errors.js";
import { byId, byTime, pagesOf } from "../../../http/requests/pagination.js";
import type { Handlers } from "../../../http/register-routes.js";
import * as actions from "./automations.js";
import { listAutomations } from "./automations.queries.js";
import type { AutomationDeps } from "./firing/prepare.js";
import { listFirings } from "./firings.queries.js";
import type { AddressDeps } from "./hook/address.js";
import { runAutomation } from "./run-automation.js";
import { faultOf, nextTimes } from "./schedule.js";
import { tryAutomation } from "./trial.js";

export function automationHandlers(
  deps: AutomationDeps & AddressDeps,
): Handlers<typeof automations> {
  const pages = pagesOf(automations.list, byId);
  const firingPages = pagesOf(automations.firings, byTime);
  return {
    list: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          context.tx((tx) => listAutomations(tx, params.project_id, after?.[0] ?? null, limit)),
        keyOf: ({ id }: Automation) => [id],
      }),
    create: (context, { params, body }) =>
      actions.createAutomation(deps, context, params.project_id, body),
    nextTimes: async (_context, { query }) => {
      const schedule = { type: "schedule" as const, ...query };
      const fault = faultOf(schedule);
      if (fault !== null) {
        throw new AppError("validation_failed", `${fault.field} ${fault.text}.`, {
          errors: [{ loc: ["query", fault.field], msg: fault.text, type: "invalid" }],
        });
      }
      return { next: nextTimes([schedule], new Date()) };
    },
    get: ({ tx }, { params }) =>
      tx((transaction) =>
        actions.readAutomation(transaction, params.project_id, params.automation_id),
      ),
    update: (context, { params, body }) =>
      actions.updateAutomation(deps, context, params.project_id, params.automation_id, body),
    delete: async (context, { params }) => {
      await actions.deleteAutomation(context, params.project_id, params.automation_id);
      return undefined;
    },
    firings: async (context, { params, query }) => {
      await context.tx((tx) => actions.readAutomation(tx, params.project_id, params.automation_id));
      return firingPages(context, query, {
        read: (before, limit) =>
          context.tx((tx) => listFirings(tx, params.automation_id, { before, limit })),
        keyOf: ({ created_at, id }: Firing) => [created_at, id],
      });
    },
    test: (context, { params, body }) =>
      tryAutomation(deps, context, params.project_id, params.automation_id, body.event),
    run: (context, { params, body }) =>
      runAutomation(deps, context, params.project_id, params.automation_id, body.event),
    rotateToken: (context, { params }) =>
      actions.rotateToken(deps, context, params.project_id, params.automation_id),
  };
}
