import { cp, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { root } from "./built-files.js";

/**
 * Makes a version with further migrations from the built files.
 * @returns its folder
 */
export async function makeVersion(
  folder: string,
  name: string,
  migrations: Record<string, string>,
): Promise<string> {
  const place = join(folder, name);
  await cp(join(root, "dist"), join(place, "dist"), { recursive: true });
  await symlink(join(root, "node_modules"), join(place, "node_modules"));
  for (const [file, statements] of Object.entries(migrations)) {
    await writeFile(join(place, "dist/server/db/migrations", file), statements);
  }
  return place;
}
