/** What calls under way may use of their budgets. */
import type { Logger } from "pino";
import type { PriceTable } from "../../../config/model-prices.js";
import type { Database } from "../../../db/connection/connect.js";
import { newId } from "../../../db/tables/columns.js";
import type { CallEstimate } from "../../../models/call-estimate.js";
import { maxBudgetCostOf } from "../../../models/prices.js";
import type { RunOfToken } from "../runs/index.js";
import { requireBudget, requireNoCostBudget, requireUnreserved } from "./budget.js";
import {
  deleteReservation,
  insertReservation,
  lockBudgets,
  readBudgets,
  renewReservations,
  type NewReservation,
} from "./models.queries.js";

export interface Reservations {
  /**
   * Reserves what a call may use, for all server processes. It holds until it is released or recorded, or until
   * two minutes after the end of this process.
   * @throws CallError 429 if nothing is left of a budget; 403 if a budget in dollars holds for a model without a price
   */
  make(
    run: RunOfToken,
    call: { projectId: string; provider: string },
    estimate: CallEstimate,
  ): Promise<NewReservation>;
  /** Gives back the reservation of a call that used nothing. */
  release(made: NewReservation): Promise<void>;
  /** Stops the renewal of a reservation, which the record of its call deletes. */
  leave(made: NewReservation): void;
  close(): void;
}

/** Several times in the life of a reservation. */
const RENEW_MS = 30_000;

export function createReservations(
  db: Database,
  prices: PriceTable,
  log: Logger,
  renewMs = RENEW_MS,
): Reservations {
  const own = new Set<string>();
  const renew = async (): Promise<void> => {
    if (own.size === 0) return;
    try {
      await db.withSystem("renew reservations of model calls", (tx) =>
        renewReservations(tx, [...own]),
      );
    } catch (error) {
      log.warn({ err: error }, "cannot renew the reservations of model calls");
    }
  };
  const timer = setInterval(() => void renew(), renewMs).unref();
  return {
    make: async ({ orgId, agentId }, { projectId, provider }, estimate) => {
      const cost_nanousd = maxBudgetCostOf(prices, provider, estimate);
      const made: NewReservation = {
        id: newId(),
        org_id: orgId,
        project_id: projectId,
        agent_id: agentId,
        tokens: estimate.prompt_tokens + estimate.output_tokens,
        cost_nanousd: cost_nanousd ?? 0,
      };
      await db.write(
        orgId,
        async (tx) => {
          const budgets = await readBudgets(tx, agentId);
          if (budgets) {
            if (cost_nanousd === null) requireNoCostBudget(budgets, estimate.models);
            requireBudget(budgets);
            requireUnreserved(budgets);
          }
          await insertReservation(tx, made);
        },
        (tx) => lockBudgets(tx, orgId),
      );
      own.add(made.id);
      return made;
    },
    release: async ({ id, org_id }) => {
      own.delete(id);
      try {
        await db.write(org_id, (tx) => deleteReservation(tx, id));
      } catch (error) {
        log.warn({ err: error }, "cannot delete the reservation of a model call");
      }
    },
    leave: ({ id }) => {
      own.delete(id);
    },
    close: () => clearInterval(timer),
  };
}
