export { insertNotifications } from "./insert-notifications.queries.js";
export { removeSettings as removeNotificationSettings } from "./personal-webhook.queries.js";
