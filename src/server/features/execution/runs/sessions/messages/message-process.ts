/**
 * The process of messages: the server's event loop never parses what programs of sessions send, and its cost in
 * memory and time stays here.
 */
import { serveOrders } from "#git/process/reader-process.js";
import { readMessages } from "./read-messages.js";

serveOrders(readMessages);
