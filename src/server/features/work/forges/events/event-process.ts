/** The process that reads large events of forges: their cost in memory and time stays here. */
import { serveOrders } from "#git/process/reader-process.js";
import { readEvent } from "./read-event.js";

serveOrders(readEvent);
