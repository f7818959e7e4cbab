/** `npm run omoi -- …`: the command line, built where it is not. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBuilt, ensureInstalled, requireNode, root } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();
await import(pathToFileURL(join(root, "dist/cli/main.js")).href);
