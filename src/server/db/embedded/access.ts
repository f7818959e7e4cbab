/** Access rules of the embedded PostgreSQL. */
import { randomBytes } from "node:crypto";
import * as fs from "node:fs/promises";
import { userInfo } from "node:os";
import { join } from "node:path";
import { accountName } from "./account.js";
import { EmbeddedPostgresError } from "./binaries.js";
import { OWNER } from "./owner.js";
import type { Cluster } from "./cluster.js";

/** The superuser. Like the database's owner, it signs in by peer authentication. */
export const SUPERUSER = "postgres";

/**
 * Writes pg_hba.conf and pg_ident.conf. This process's user and the cluster's owner sign in by peer
 * authentication as the superuser and the database's owner; every other role needs its password.
 * @throws EmbeddedPostgresError when this process's user has no name
 */
export async function writeAccess({ dataDir, account }: Cluster): Promise<void> {
  const names = new Set([ownName(), account && (await accountName(account.uid))]);
  const map = [...names].filter((name) => name !== undefined);
  const peers = [SUPERUSER, OWNER];
  const files = {
    "pg_ident.conf": map.flatMap((name) => peers.map((role) => `omoi ${quoted(name)} ${role}`)),
    "pg_hba.conf": [`local all ${peers.join()} peer map=omoi`, "local all all scram-sha-256"],
  };
  for (const [name, lines] of Object.entries(files)) {
    const path = join(dataDir, name);
    const text = ["# Written by Omoi at each start.", ...lines, ""].join("\n");
    if ((await fs.readFile(path, "utf8").catch(() => "")) === text) continue;
    // Written to a temporary file and renamed: PostgreSQL never reads half of it, and no link is
    // followed.
    const building = `${path}.${randomBytes(6).toString("hex")}`;
    await fs.writeFile(building, text, { mode: 0o600, flag: "wx" });
    if (account !== undefined) await fs.chown(building, account.uid, account.gid);
    await fs.rename(building, path);
  }
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `the embedded PostgreSQL identifies users by name, and uid ${process.getuid?.()} has none; ` +
        "add this user to /etc/passwd, run Omoi as another, or set OMOI_DATABASE_URL",
      { cause },
    );
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
