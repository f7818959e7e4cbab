export { insertNotifications, type NewNotification } from "./insert-notifications.queries.js";
