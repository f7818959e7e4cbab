import type { Tokens } from "#shared/api/auth.js";
import type { Queryable } from "../../db/connection/connect.js";
import type { SessionOrigin } from "./sessions/sessions.queries.js";

/** What a sign-in gives: the pair for API clients and the cookie for the web app. */
export interface SignedIn {
  tokens: Tokens;
  cookie: string;
}

/** Starts a session, once `claim`, in the same transaction, has not refused. */
export type StartSession = (
  userId: string,
  origin: SessionOrigin,
  claim?: (tx: Queryable) => Promise<void>,
) => Promise<SignedIn>;
