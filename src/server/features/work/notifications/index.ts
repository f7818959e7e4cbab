export { insertNotifications } from "./recipients/insert-notifications.queries.js";
export { removeSettings as removeNotificationSettings } from "./settings/personal-webhook.queries.js";
