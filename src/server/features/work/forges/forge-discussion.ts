/** What people and programs say and report on a forge: issues, comments, reviews, threads, checks and events. */

/** A person or a program of a forge. */
export interface RemotePerson {
  login: string;
  is_bot: boolean;
}

export interface RemoteIssue {
  number: number;
  title: string;
  body: string;
  url: string;
  state: "open" | "closed";
  author: RemotePerson;
  labels: string[];
  assignees: string[];
  updated_at: string;
}

export interface RemoteComment {
  id: string;
  body: string;
  author: RemotePerson;
  url: string;
  created_at: string;
  updated_at: string;
}

export interface ThreadPlace {
  path: string;
  /** The last line of the place, in the file before (`old`) or after (`new`) the change; null for the whole file. */
  line: number | null;
  /** The first line of a place of several lines. */
  start_line: number | null;
  side: "old" | "new";
}

/** Comments at a place of a pull request. */
export interface RemoteThread extends ThreadPlace {
  id: string;
  /** The newest commit of the request that the lines were counted in. */
  commit_sha: string | null;
  resolved: boolean;
  comments: RemoteComment[];
}

export interface NewRemoteThread extends ThreadPlace {
  commit_sha: string;
  body: string;
}

export interface RemoteReview {
  id: string;
  author: RemotePerson;
  verdict: "approve" | "request_changes" | "comment";
  body: string;
  commit_sha: string | null;
  submitted_at: string;
}

/** Where a comment stands: forges keep those of issues and of pull requests apart. */
export interface Discussed {
  repository: string;
  kind: "issue" | "pull_request";
  number: number;
}

export interface CommitStatus {
  name: string;
  state: "pending" | "success" | "failure";
  description: string;
  url: string | null;
}

/** The second half of `Forge`. Times are in ISO 8601; `since` is inclusive, and null reads from the beginning. */
export interface ForgeDiscussion {
  readIssue(repository: string, number: number): Promise<RemoteIssue>;
  /** Lists issues, never pull requests, that changed since, oldest change first, at most `MAX_ISSUES`. */
  listIssues(repository: string, since: string | null): Promise<RemoteIssue[]>;
  /** Returns who added a label to an issue, or assigned it to a login, last; null if the forge does not say. */
  findActor(
    repository: string,
    number: number,
    change: { label: string } | { assignee: string },
  ): Promise<RemotePerson | null>;
  /** Lists comments at no place of a file, oldest first, at most `MAX_COMMENTS`. */
  listComments(at: Discussed, since: string | null): Promise<RemoteComment[]>;
  createComment(at: Discussed, body: string): Promise<RemoteComment>;
  updateComment(at: Discussed, id: string, body: string): Promise<void>;
  /** Returns whether a login may write to a repository, at this moment. */
  canWrite(repository: string, login: string): Promise<boolean>;
  /** Lists submitted reviews, oldest first, at most `MAX_REVIEWS`. */
  listReviews(repository: string, number: number): Promise<RemoteReview[]>;
  /** Lists threads by their first comment, oldest first, with at most `MAX_COMMENTS` comments together. */
  listThreads(repository: string, number: number): Promise<RemoteThread[]>;
  createThread(repository: string, number: number, thread: NewRemoteThread): Promise<RemoteThread>;
  replyToThread(
    repository: string,
    number: number,
    threadId: string,
    body: string,
  ): Promise<RemoteComment>;
  resolveThread(
    repository: string,
    number: number,
    threadId: string,
    resolved: boolean,
  ): Promise<void>;
  /** Returns the end of a failed check's log, at most `MAX_LOG_BYTES`; null if the forge has none. */
  readCheckLog(repository: string, headSha: string, name: string): Promise<string | null>;
  setCommitStatus(repository: string, sha: string, status: CommitStatus): Promise<void>;
  /** Registers an address for events, once for each address, and returns the hook's id. */
  registerHook(repository: string, hook: { url: string; secret: string }): Promise<string>;
  /** Removes a hook; no-op if it is missing. */
  removeHook(repository: string, id: string): Promise<void>;
}

export const MAX_ISSUES = 500;
export const MAX_COMMENTS = 500;
export const MAX_REVIEWS = 500;
export const MAX_LOG_BYTES = 16 * 1024;

/** Returns whether a text can be a login. Others would change the path of a request. */
export const isLogin = (text: string): boolean => /^\w[\w.-]*(?:\[bot\])?$/.test(text);
