export { periodEnd, readUsage, usageColumns, usageOf, type UsageRow } from "./usage.queries.js";
