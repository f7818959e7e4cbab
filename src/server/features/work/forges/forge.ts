/** One interface for all forges. An adapter for each kind implements it; another kind is one more folder. */
import type { ForgeRepository } from "#shared/api/work/forges.js";
import type { mergeMethods, PullRequest } from "#shared/api/work/pull-requests.js";
import type { ForgeDiscussion, RemotePerson } from "./forge-discussion.js";

/** A repository on a forge, with its address for git. */
export interface RemoteRepository extends ForgeRepository {
  clone_url: string;
}

/** The state of a pull request on its forge. */
export type RemotePullRequest = Pick<
  PullRequest,
  "title" | "base" | "review_decision" | "checks" | "mergeable" | "comments" | "merged_sha"
> & {
  url: string;
  state: "open" | "draft" | "merged" | "closed";
  head_sha: string;
  /** What its author has written, and where the commits are. */
  opened: {
    author: RemotePerson;
    body: string;
    labels: string[];
    branch: string;
    /** Whether its branch is in another repository. */
    is_fork: boolean;
    at: string;
  };
};

export interface NewRemotePullRequest {
  head: string;
  base: string;
  title: string;
  body: string;
  draft: boolean;
}

export interface RemoteChanges {
  title?: string | undefined;
  body?: string | undefined;
  base?: string | undefined;
}

/** The user name and the password of git over HTTPS. */
export interface GitLogin {
  username: string;
  token: string;
}

/**
 * A forge, signed in with the credential of a connection. `repository` is a full name, as in `acme/shop`. Every method
 * throws `ForgeError`.
 */
export interface Forge extends ForgeDiscussion {
  /** Returns the login of the token, or the account of the App, and so tries the credential. */
  account(): Promise<string>;
  /** Lists what the credential reaches and whose name contains the text, at most `MAX_REPOSITORIES`. */
  repositories(query: string): Promise<ForgeRepository[]>;
  repository(repository: string): Promise<RemoteRepository>;
  /** Returns a login for git in this one repository, where the forge can narrow it. */
  gitLogin(repository: string): Promise<GitLogin>;
  /** Returns the number of the open pull request of a branch; null without one. */
  findPullRequest(repository: string, head: string): Promise<number | null>;
  openPullRequest(repository: string, request: NewRemotePullRequest): Promise<number>;
  updatePullRequest(repository: string, number: number, changes: RemoteChanges): Promise<void>;
  addLabels(repository: string, number: number, labels: readonly string[]): Promise<void>;
  requestReviews(repository: string, number: number, logins: readonly string[]): Promise<void>;
  readPullRequest(repository: string, number: number): Promise<RemotePullRequest>;
  markReady(repository: string, number: number): Promise<void>;
  /** Merges, if the newest commit of the request is still `headSha`. */
  mergePullRequest(
    repository: string,
    number: number,
    method: (typeof mergeMethods)[number],
    headSha: string,
  ): Promise<void>;
  closePullRequest(repository: string, number: number): Promise<void>;
}

export const MAX_REPOSITORIES = 1000;
export const MAX_CHECKS = 100;

/** Why a forge did not do what it was asked: `limited` is its rate limit, `refused` any other rule of its own. */
export type ForgeFailure =
  | "unreachable"
  | "limited"
  | "unauthorized"
  | "suspended"
  | "not_found"
  | "refused";

export class ForgeError extends Error {
  override readonly name = "ForgeError";
  readonly failure: ForgeFailure;
  /** How long the forge asks to wait. */
  readonly retryAfterSeconds: number | null;
  constructor(failure: ForgeFailure, sentence: string, retryAfterSeconds: number | null = null) {
    super(sentence);
    this.failure = failure;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

/** Returns the error of a forge's answer. `reason` is its own text. */
export function errorOfAnswer(
  status: number,
  headers: Readonly<Record<string, string | number | undefined>>,
  reason: string,
): ForgeError {
  const said = reason.replaceAll(/\s+/g, " ").trim().slice(0, 300);
  const text = said === "" ? `status ${status}` : `${status}, ${said}`;
  const wait = waitOf(headers);
  if (status === 429 || (status === 403 && wait !== null)) {
    return new ForgeError("limited", `The forge asks to wait (${text}).`, wait ?? 60);
  }
  if (status === 403 && /suspended/i.test(said)) {
    return new ForgeError("suspended", `The forge has suspended the access (${text}).`);
  }
  if (status === 401)
    return new ForgeError("unauthorized", `The forge refuses the credential (${text}).`);
  if (status === 404) {
    return new ForgeError("not_found", `The forge finds nothing there, or hides it (${text}).`);
  }
  if (status >= 500) return new ForgeError("unreachable", `The forge has failed (${text}).`);
  return new ForgeError("refused", `The forge refuses it (${text}).`);
}

/** Maximum seconds that an answer can hold back further requests. */
const MAX_WAIT_SECONDS = 2 * 60 * 60;

/** Returns how long an answer asks to wait; null if it does not. */
function waitOf(headers: Readonly<Record<string, string | number | undefined>>): number | null {
  const after = Number(headers["retry-after"] ?? Number.NaN);
  if (Number.isFinite(after)) return Math.min(Math.max(after, 1), MAX_WAIT_SECONDS);
  const left = headers["x-ratelimit-remaining"] ?? headers["ratelimit-remaining"];
  if (left === undefined || Number(left) > 0) return null;
  const reset = Number(headers["x-ratelimit-reset"] ?? headers["ratelimit-reset"] ?? Number.NaN);
  if (!Number.isFinite(reset)) return 60;
  return Math.min(Math.max(Math.ceil(reset - Date.now() / 1000), 1), MAX_WAIT_SECONDS);
}
