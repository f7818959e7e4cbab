/** `npm run merges:verify`: whether every merge can be computed again. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();
await import(pathToFileURL(join(root, "dist/server/verify-merges.js")).href);
