/** What a double of a forge keeps beside the git repository. */

export interface DoubleComment {
  id: number;
  login: string;
  body: string;
  created: string;
  updated: string;
}

export interface DoubleIssue {
  number: number;
  title: string;
  body: string;
  login: string;
  state: "open" | "closed";
  labels: string[];
  assignees: string[];
  comments: DoubleComment[];
  /** Who labeled and assigned it, in their order. */
  activity: { login: string; label?: string; assignee?: string; at: string }[];
  updated: string;
}

export interface DoubleReview {
  login: string;
  state: "APPROVED" | "CHANGES_REQUESTED" | "COMMENTED";
  body?: string;
  sha?: string;
  at?: string;
}

export interface DoublePlace {
  path: string;
  line: number | null;
  startLine: number | null;
  side: "old" | "new";
  sha: string;
}

export interface DoubleThread extends DoublePlace {
  /** Of its first comment. */
  id: number;
  isResolved: boolean;
  comments: DoubleComment[];
}

export interface DoublePull {
  number: number;
  title: string;
  body: string;
  login: string;
  created: string;
  head: string;
  base: string;
  draft: boolean;
  state: "open" | "closed" | "merged";
  /** The commit that was merged or closed; null while it is open. */
  lastHead: string | null;
  mergedSha: string | null;
  reviews: DoubleReview[];
  threads: DoubleThread[];
  reviewers: string[];
  labels: string[];
  comments: DoubleComment[];
}

export interface DoubleCheck {
  name: string;
  status: "pending" | "success" | "failure";
  url: string;
  log?: string;
}

export interface DoubleStatus {
  name: string;
  state: "pending" | "success" | "failure";
  description: string;
  url: string | null;
}

/** What happened in a repository; each forge makes its own payload of it. */
export type DoubleEvent = { login: string } & (
  | {
      kind: "issue";
      action: "opened" | "labeled" | "assigned" | "edited" | "closed";
      issue: DoubleIssue;
    }
  | {
      kind: "comment";
      action: "created" | "edited";
      on: DoubleIssue | DoublePull;
      comment: DoubleComment;
    }
  | { kind: "pull"; action: "opened" | "closed" | "synchronize" | "edited"; pull: DoublePull }
  | { kind: "review"; pull: DoublePull; review: DoubleReview }
  | { kind: "thread"; pull: DoublePull; thread: DoubleThread; comment: DoubleComment }
  | { kind: "check"; sha: string; check: DoubleCheck | DoubleStatus }
  | { kind: "push"; branch: string; sha: string }
);

export const isPull = (subject: DoubleIssue | DoublePull): subject is DoublePull =>
  "base" in subject;

let last = 0;

/** Returns the time, later than any time before. */
export function nextTime(): string {
  last = Math.max(Date.now(), last + 1);
  return new Date(last).toISOString();
}

let ids = 1000;
export const nextId = (): number => (ids += 1);
