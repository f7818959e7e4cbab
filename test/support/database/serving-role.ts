import { createHmac } from "node:crypto";
import type pg from "pg";

/** A role that signs in by password. */
export interface Role {
  user: string;
  password: string;
}

/** Returns the serving role that the server creates, with the password derived from its secret. */
export function servingRole(secret: string): Role {
  const password = createHmac("sha256", secret).update("postgresql role omoi_app").digest("hex");
  return { user: "omoi_app", password };
}

/** Returns the role of a connection. */
export function roleOf({ user, password }: pg.ClientConfig): Role {
  return { user: String(user), password: String(password) };
}
