import type { Tokens } from "#shared/api/identity/auth.js";
import type { Queryable } from "../../../db/connection/connect.js";
import type { SessionOrigin } from "./browser-sessions/sessions.queries.js";

/** The result of a sign-in: a token pair for API clients and a cookie for the web app. */
export interface SignedIn {
  tokens: Tokens;
  cookie: string;
}

/** Starts a session. `claim` runs in the same transaction and may reject it. */
export type StartSession = (
  userId: string,
  origin: SessionOrigin,
  claim?: (tx: Queryable) => Promise<void>,
) => Promise<SignedIn>;
