import { join } from "node:path";

/** The folder of the repository. */
export const root = join(import.meta.dirname, "../../..");

/**
 * Returns the path of a built file, as in `builtFile("cli/main.js")`. `npm test -- WORD` builds only if a
 * chosen test imports this module.
 */
export const builtFile = (file: string): string => join(root, "dist", file);
