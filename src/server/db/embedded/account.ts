import { readFile } from "node:fs/promises";

/** Returns the name of a user in /etc/passwd, or undefined. */
export async function accountName(uid: number): Promise<string | undefined> {
  const users = await readFile("/etc/passwd", "utf8").catch(() => "");
  const fields = users.split("\n").map((line) => line.split(":"));
  return fields.find(([, , id]) => id === String(uid))?.[0];
}
