/** The process that reads large requests of runs: their cost in memory and time stays here. */
import { serveOrders } from "#git/process/reader-process.js";
import { readRequest } from "./read-request.js";

serveOrders(readRequest);
