import { readFile } from "node:fs/promises";

/** The name of a user in /etc/passwd; undefined where it has none there. */
export async function nameOf(uid: number): Promise<string | undefined> {
  const users = await readFile("/etc/passwd", "utf8").catch(() => "");
  const fields = users.split("\n").map((line) => line.split(":"));
  return fields.find(([, , id]) => id === String(uid))?.[0];
}
