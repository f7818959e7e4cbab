/** `npm run audit:verify`: whether the audit logs are as they were written. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();
await import(pathToFileURL(join(root, "dist/server/verify-audit.js")).href);
