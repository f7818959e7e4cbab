import { areSame, branchOf, idOfBody, numberAt, parseBody, textAt } from "../client/event-body.js";
import type { Incoming, IncomingEvent } from "../client/incoming-event.js";
import { isBotLogin } from "./people.js";

/** Events of GitLab. It sends the secret itself in place of a signature. */
export const gitlabIncoming: Incoming = {
  verify: (secret, headers) => {
    const token = headers["x-gitlab-token"];
    return secret !== "" && token !== undefined && areSame(token, secret);
  },
  read: (headers, body) => {
    const payload = parseBody(body);
    const kind = textAt(payload, "object_kind");
    if (!headers["x-gitlab-event"] || kind === null) return null;
    const action = textAt(payload, "object_attributes", "action");
    const login = textAt(payload, "user", "username") ?? textAt(payload, "user_username");
    return {
      delivery_id: deliveryOf(headers, body),
      name: action === null ? kind : `${kind}.${action}`,
      repository: textAt(payload, "project", "path_with_namespace"),
      subject: subjectOf(kind, payload),
      login,
      is_bot: login !== null && isBotLogin(login),
    };
  },
};

/** Since GitLab 17.4 a retry has the key of the first try. Events that one event caused share their UUID. */
function deliveryOf(headers: Readonly<Record<string, string | undefined>>, body: Buffer): string {
  const key = headers["idempotency-key"];
  if (key) return key;
  const uuid = headers["x-gitlab-event-uuid"];
  return uuid ? `${uuid}-${idOfBody(body).slice(0, 16)}` : idOfBody(body);
}

function subjectOf(kind: string, payload: unknown): IncomingEvent["subject"] {
  const issue = (...path: string[]): IncomingEvent["subject"] => {
    const number = numberAt(payload, ...path, "iid");
    return number === null ? null : { kind: "issue", number };
  };
  const request = (...path: string[]): IncomingEvent["subject"] => {
    const number = numberAt(payload, ...path, "iid");
    return number === null ? null : { kind: "pull_request", number };
  };
  const commit = (...path: string[]): IncomingEvent["subject"] => {
    const sha = textAt(payload, ...path);
    return sha === null ? null : { kind: "commit", sha };
  };
  switch (kind) {
    case "issue":
    case "work_item":
      return issue("object_attributes");
    case "merge_request":
      return request("object_attributes");
    case "note": {
      const type = textAt(payload, "object_attributes", "noteable_type");
      if (type === "MergeRequest") return request("merge_request");
      return type === "Issue" ? issue("issue") : null;
    }
    case "pipeline":
      return commit("object_attributes", "sha");
    case "build":
      return commit("sha");
    case "push": {
      const name = branchOf(textAt(payload, "ref"));
      return name === null ? null : { kind: "branch", name };
    }
    default:
      return null;
  }
}
