import { z } from "zod";
import { endpoint } from "../../contract/endpoint.js";
import { id, nullable, orgParams, page, timestamp } from "../../contract/fields.js";

export const deliverySources = ["webhook", "polling"] as const;
export const deliveryStatuses = ["pending", "done", "ignored", "failed"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];
export const deliveryDecisions = [
  "waiting",
  "started",
  "prompted",
  "answered",
  "recorded",
  "queued",
  "ignored",
  "failed",
] as const;
export type DeliveryDecision = (typeof deliveryDecisions)[number];

export const forgeDelivery = z.strictObject({
  id: id.describe("Id of the delivery here"),
  forge_id: id.describe("Id of the connection"),
  delivery_id: z.string().describe("The forge's id, or one made from what polling found"),
  source: z
    .enum(deliverySources)
    .describe("`webhook` if the forge sent it, `polling` if the server found it"),
  event: z.string().describe("As the forge calls it").meta({ example: "issues.labeled" }),
  repository: nullable.string.describe("Repository, as in `acme/shop`; null for others"),
  number: nullable.integer.describe("Number of the issue or pull request; null for others"),
  login: nullable.string.describe("Who caused it on the forge; null if the forge does not say"),
  status: z
    .enum(deliveryStatuses)
    .describe("`pending` until it is worked on; `failed` if the forge could not be asked"),
  decision: z
    .enum(deliveryDecisions)
    .describe(
      "What was done: a task `started`, was `prompted`, a question `answered`, the state `recorded`, an automation `queued`; or why nothing was, see `reason`",
    ),
  reason: nullable.string.describe("Why nothing was done, or what else was; null without one"),
  project_id: id.nullable().describe("Project that is linked to the repository; null without one"),
  task_id: id.nullable().describe("Task that was started or prompted; null without one"),
  task_number: nullable.integer.describe("Number of that task; null without one"),
  attempts: z.int().describe("How often it was worked on"),
  received_at: timestamp.describe("Time of its arrival"),
  finished_at: nullable.timestamp.describe("Time of the decision; null while it is pending"),
});
export type ForgeDelivery = z.output<typeof forgeDelivery>;

const params = orgParams.extend({ forge_id: id.describe("Id of the connection") });
const path = "/api/v1/organizations/{org_id}/forges/{forge_id}/deliveries" as const;

export const forgeDeliveries = {
  list: endpoint({
    method: "GET",
    path,
    access: "org:forges:read",
    summary: "List what came from a forge, newest first: what was done, or why nothing was",
    params,
    query: page.extend({
      status: z.enum(deliveryStatuses).optional().describe("Only deliveries in this state"),
      repository: z.string().max(300).optional().describe("Only of this repository"),
      login: z.string().max(100).optional().describe("Only of this login"),
      number: z.coerce
        .number()
        .int()
        .min(1)
        .max(2_147_483_647)
        .optional()
        .describe("Only of the issue or pull request with this number"),
    }),
    response: z.array(forgeDelivery),
  }),
  replay: endpoint({
    method: "POST",
    path: `${path}/{delivery_id}/replay`,
    access: "org:forges:write",
    summary:
      "Work on a delivery again: the state is read from the forge, and nothing is done twice",
    status: 202,
    params: params.extend({ delivery_id: id.describe("Id of the delivery here") }),
    response: forgeDelivery,
  }),
};
