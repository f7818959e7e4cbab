/**
 * The process of messages: the server's event loop never parses what programs of sessions send, and its cost in
 * memory and time stays here. It keeps nothing between two orders and ends with the server that started it.
 */
import { readMessages, type MessagesToRead, type ReceivedMessages } from "./read-messages.js";

/** Messages of the process: that it has started, then one result for each order. */
export type FromMessageProcess = { ready: true } | ReceivedMessages;

function say(message: FromMessageProcess): void {
  if (process.connected) process.send?.(message);
}

process.on("message", (order: MessagesToRead) => say(readMessages(order)));
process.on("disconnect", () => process.exit(0));
// A terminal or systemd sends these to every process; this one must outlive the server.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => undefined);
say({ ready: true });
