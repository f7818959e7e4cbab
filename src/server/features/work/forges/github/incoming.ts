import {
  branchOf,
  idOfBody,
  isSigned,
  numberAt,
  parseBody,
  textAt,
  memberAt,
} from "../client/event-body.js";
import type { Incoming, IncomingEvent } from "../client/incoming-event.js";

const PREFIX = "sha256=";

/** Events of GitHub, whether of an App or of a repository's hook. */
export const githubIncoming: Incoming = {
  verify: (secret, headers, body) => {
    const signature = headers["x-hub-signature-256"];
    return signature?.startsWith(PREFIX) === true
      ? isSigned(secret, signature.slice(PREFIX.length), body)
      : false;
  },
  read: (headers, body) => {
    const payload = parseBody(body);
    const event = headers["x-github-event"];
    if (event === undefined || event === "") return null;
    const action = textAt(payload, "action");
    return {
      delivery_id: headers["x-github-delivery"] || idOfBody(body),
      name: action === null ? event : `${event}.${action}`,
      repository: textAt(payload, "repository", "full_name"),
      subject: subjectOf(event, payload),
      login: textAt(payload, "sender", "login"),
      is_bot: textAt(payload, "sender", "type") === "Bot",
    };
  },
};

/** The member of an event's payload that has the commit. */
const commits: Readonly<Record<string, string[]>> = {
  check_run: ["check_run", "head_sha"],
  check_suite: ["check_suite", "head_sha"],
  workflow_run: ["workflow_run", "head_sha"],
  workflow_job: ["workflow_job", "head_sha"],
  status: ["sha"],
};

function subjectOf(event: string, payload: unknown): IncomingEvent["subject"] {
  const path = Object.hasOwn(commits, event) ? commits[event] : undefined;
  if (path) {
    const sha = textAt(payload, ...path);
    return sha === null ? null : { kind: "commit", sha };
  }
  if (event === "push") {
    const name = branchOf(textAt(payload, "ref"));
    return name === null ? null : { kind: "branch", name };
  }
  if (event === "create" || event === "delete") {
    const name = textAt(payload, "ref_type") === "branch" ? textAt(payload, "ref") : null;
    return name === null ? null : { kind: "branch", name };
  }
  if (event === "issues" || event === "issue_comment") {
    const number = numberAt(payload, "issue", "number");
    const isPull = memberAt(payload, "issue", "pull_request") !== undefined;
    return number === null ? null : { kind: isPull ? "pull_request" : "issue", number };
  }
  const number = numberAt(payload, "pull_request", "number");
  return number === null ? null : { kind: "pull_request", number };
}
