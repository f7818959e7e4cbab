/** The states of a delivery: waiting for its next attempt, or one of two final ones. */
export const deliveryStatuses = ["pending", "delivered", "failed"] as const;
export type DeliveryStatus = (typeof deliveryStatuses)[number];

/**
 * Why a webhook is disabled: by a member, after a 410 response, after days without a success, or because
 * too many deliveries were waiting.
 */
export const disabledReasons = ["manual", "gone", "failing", "backlog"] as const;
