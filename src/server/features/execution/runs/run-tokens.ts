import { createHmac, randomBytes } from "node:crypto";
import { cached } from "../../../db/cache/cache.js";
import { presetTitles, type ReviewerName } from "#shared/execution/run-choices.js";
import type { Database } from "../../../db/connection/connect.js";
import { invalidToken, type Actor, type ActorOpinion } from "../../../access/authenticate.js";

/** The prefix of run tokens, distinct from API keys and access tokens. */
const runTokenPrefix = "ort_";

/** A run's credential, which acts as its agent until its command exits. */
export interface RunToken {
  token: string;
  hash: Buffer;
}

export function newRunToken(secret: string): RunToken {
  const token = runTokenPrefix + randomBytes(32).toString("base64url");
  return { token, hash: hashRunToken(secret, token) };
}

/** Returns the stored form of a token: its HMAC-SHA-256 under the installation's secret. */
function hashRunToken(secret: string, token: string): Buffer {
  return createHmac("sha256", secret).update("omoi run token\n").update(token).digest();
}

/** Authenticates the tokens of active runs, from a cache that is invalidated by changes. */
export interface RunKeyring {
  /** Whether a text has the form of a run's token. */
  isToken(text: string): boolean;
  /**
   * Returns the run's agent with the permissions shared by its role and the user who started it.
   * @throws AppError 401
   */
  actorOf(token: string): Promise<Actor>;
  /**
   * Returns the run of a token.
   * @throws AppError 401
   */
  runOf(token: string): Promise<RunOfToken>;
  /** Returns those of the runs whose tokens are valid, from the database. */
  listUsable(runIds: readonly string[]): Promise<Set<string>>;
}

/** The run that a token belongs to. */
export interface RunOfToken {
  id: string;
  orgId: string;
  agentId: string;
}

interface KnownRun extends Record<string, unknown> {
  id: string;
  org_id: string;
  agent_id: string;
  agent_name: string;
  user_id: string;
  lease_expires_at: Date;
  kind: string;
  opinion: (ActorOpinion & { preset: ReviewerName }) | null;
}

/** Whether the token of a run `r` is valid. Tokens of a dead server's runs expire with its lease. */
const IS_USABLE = `r.status = 'running' and r.lease_expires_at > now() and r.exited_at is null
  and a.terminated_at is null and o.archived_at is null and u.is_active`;
const RUNS = `runs r join agents a on a.id = r.agent_id join organizations o on o.id = r.org_id
  join users u on u.id = (r.origin #>> '{actor,userId}')::uuid`;

export function createRunKeyring(db: Database, secret: string): RunKeyring {
  const usable = cached<KnownRun>({
    changes: db.changes,
    load: async (stored) => {
      const { rows } = await db.systemPool.query<KnownRun>({
        name: "find the run of a token",
        text: `
          select r.id, r.org_id, r.agent_id, a.name as agent_name, u.id as user_id, r.lease_expires_at, r.kind,
            (select json_build_object('id', v.id, 'orgId', v.org_id, 'projectId', v.project_id, 'taskId', v.task_id,
              'attemptId', v.attempt_id, 'head', v.commit_sha, 'base', v.base_sha, 'preset', v.preset)
              from opinions v where v.run_id = r.id) as opinion
          from ${RUNS} where r.token_hash = $1 and ${IS_USABLE}`,
        values: [Buffer.from(stored, "hex")],
      });
      const [run] = rows;
      return (
        run && {
          value: run,
          sources: [`runs of ${run.org_id}`, `organization ${run.org_id}`, `user ${run.user_id}`],
          until: run.lease_expires_at.getTime(),
        }
      );
    },
  });
  const findRun = async (token: string): Promise<KnownRun> => {
    const found = await usable(hashRunToken(secret, token).toString("hex"));
    if (!found) throw invalidToken();
    return found;
  };
  return {
    isToken: (text) => text.startsWith(runTokenPrefix),
    runOf: async (token) => {
      const { id, org_id, agent_id } = await findRun(token);
      return { id, orgId: org_id, agentId: agent_id };
    },
    listUsable: async (runIds) => {
      const { rows } = await db.systemPool.query<{ id: string }>({
        name: "find the runs with valid tokens",
        text: `select r.id from ${RUNS} where r.id = any($1::uuid[]) and ${IS_USABLE}`,
        values: [runIds],
      });
      return new Set(rows.map(({ id }) => id));
    },
    actorOf: async (token) => {
      const found = await findRun(token);
      const { opinion } = found;
      // Its run is about to end.
      if (found.kind === "review" && opinion === null) throw invalidToken();
      return {
        kind: "agent",
        userId: found.user_id,
        agent:
          opinion === null
            ? { id: found.agent_id, name: found.agent_name }
            : { id: opinion.id, name: presetTitles[opinion.preset] },
        ...(opinion !== null && { opinion }),
        session: null,
        key: {
          id: found.id,
          ofRun: true,
          scopes: [`org:${found.org_id}:*`],
          lockedOutOf: [],
          perMinute: null,
          used: () => {},
          answered: () => {},
        },
      };
    },
  };
}
