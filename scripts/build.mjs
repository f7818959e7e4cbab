/** `npm run build`: installs and builds what is missing. */
import { ensureBuilt, ensureInstalled, requireNode } from "./prepare.mjs";

requireNode();
ensureInstalled();
ensureBuilt();
