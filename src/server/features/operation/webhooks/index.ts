export { checkUrl, type UrlRules } from "./sending/check-url.js";
export {
  createDeliverer,
  type Claim,
  type Deliverer,
  type DeliveryQueue,
  type Result,
} from "./sending/create-deliverer.js";
export { encryptSecret, newSecret } from "./sending/sign.js";
export { createWebhookClient } from "./sending/webhook-client.js";
