/** The process of data merges: the server's event loop never parses agents' files, and their cost stays here. */
import { serveOrders } from "../../../process/reader-process.js";
import { mergeData } from "./merge-data.js";

serveOrders(mergeData);
