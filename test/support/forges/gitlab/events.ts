import type { EventFormat, Payload } from "../outbox.js";
import { isPull, type DoubleEvent } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { userOf } from "./paths.js";

export const gitlabEvents: EventFormat = {
  payloadOf,
  headersOf: ({ id, name, secret }) => ({
    "x-gitlab-event": name,
    "x-gitlab-token": secret,
    "x-gitlab-event-uuid": id,
    "idempotency-key": id,
  }),
};

const actions = { opened: "open", closed: "close", synchronize: "update" } as Partial<
  Record<string, string>
>;

function payloadOf(repository: DoubleRepository, event: DoubleEvent): Payload {
  const common = {
    user: userOf(event.login),
    project: { id: repository.id, path_with_namespace: repository.name },
  };
  switch (event.kind) {
    case "issue": {
      const { number: iid, title, state } = event.issue;
      const action = actions[event.action] ?? "update";
      return {
        name: "Issue Hook",
        body: { object_kind: "issue", ...common, object_attributes: { iid, title, state, action } },
      };
    }
    case "comment":
    case "thread": {
      const on = event.kind === "comment" ? event.on : event.pull;
      const subject = { iid: on.number, title: on.title };
      const action = event.kind === "comment" && event.action === "edited" ? "update" : "create";
      return {
        name: "Note Hook",
        body: {
          object_kind: "note",
          ...common,
          object_attributes: {
            id: event.comment.id,
            note: event.comment.body,
            noteable_type: isPull(on) ? "MergeRequest" : "Issue",
            action,
          },
          ...(isPull(on) ? { merge_request: subject } : { issue: subject }),
        },
      };
    }
    case "pull":
    case "review": {
      const { number: iid, title, state } = event.pull;
      const verdict = event.kind === "review" ? event.review.state : null;
      const action =
        event.kind === "pull"
          ? event.pull.state === "merged"
            ? "merge"
            : (actions[event.action] ?? "update")
          : verdict === "APPROVED"
            ? "approved"
            : "update";
      return {
        name: "Merge Request Hook",
        body: {
          object_kind: "merge_request",
          ...common,
          object_attributes: { iid, title, state, action },
        },
      };
    }
    case "check": {
      const status = "status" in event.check ? event.check.status : event.check.state;
      return {
        name: "Pipeline Hook",
        body: {
          object_kind: "pipeline",
          ...common,
          object_attributes: { id: 1, sha: event.sha, status },
        },
      };
    }
    case "push": {
      const { user, ...rest } = common;
      return {
        name: "Push Hook",
        body: {
          object_kind: "push",
          ref: `refs/heads/${event.branch}`,
          after: event.sha,
          user_username: user.username,
          ...rest,
        },
      };
    }
  }
}
