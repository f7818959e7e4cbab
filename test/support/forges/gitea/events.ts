import { createHmac } from "node:crypto";
import type { EventFormat, Payload } from "../outbox.js";
import { isPull, type DoubleEvent } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { commentOf } from "./issues.js";

/** Gitea's own words for the actions. */
const actions = { labeled: "label_updated", synchronize: "synchronized" } as Partial<
  Record<string, string>
>;
const reviewEvents = {
  APPROVED: "pull_request_approved",
  CHANGES_REQUESTED: "pull_request_rejected",
  COMMENTED: "pull_request_comment",
};

export const giteaEvents: EventFormat = {
  payloadOf,
  headersOf: ({ id, name, secret, body }) => {
    const signature = createHmac("sha256", secret).update(body).digest("hex");
    return {
      "x-gitea-delivery": id,
      "x-gitea-event": name,
      "x-gitea-event-type": name,
      "x-gitea-signature": signature,
      "x-gogs-event": name,
      "x-github-event": name,
      "x-github-delivery": id,
      "x-hub-signature-256": `sha256=${signature}`,
    };
  },
};

async function payloadOf(
  repository: DoubleRepository,
  event: DoubleEvent,
  url: string,
): Promise<Payload | null> {
  const common = {
    repository: { id: repository.id, full_name: repository.name },
    sender: { id: 1, login: event.login, username: event.login },
  };
  switch (event.kind) {
    case "issue": {
      const { number, title, state } = event.issue;
      const action = actions[event.action] ?? event.action;
      const body = { action, number, issue: { number, title, state }, ...common };
      return { name: "issues", body };
    }
    case "comment": {
      const { on, comment, action } = event;
      const issue = { number: on.number, title: on.title, pull_request: isPull(on) ? {} : null };
      const shown = commentOf({ url }, repository, on, comment);
      return {
        name: "issue_comment",
        body: { action, issue, comment: shown, is_pull: isPull(on), ...common },
      };
    }
    case "pull": {
      const { number, title } = event.pull;
      const action = actions[event.action] ?? event.action;
      return {
        name: "pull_request",
        body: { action, number, pull_request: { number, title }, ...common },
      };
    }
    case "review":
    case "thread": {
      const { number, title } = event.pull;
      const name =
        event.kind === "review" ? reviewEvents[event.review.state] : reviewEvents.COMMENTED;
      const body = { action: "reviewed", number, pull_request: { number, title }, ...common };
      return { name, body };
    }
    case "check": {
      const state = "status" in event.check ? event.check.status : event.check.state;
      return {
        name: "status",
        body: { sha: event.sha, context: event.check.name, state, ...common },
      };
    }
    case "push":
      return {
        name: "push",
        body: { ref: `refs/heads/${event.branch}`, after: event.sha, ...common },
      };
  }
}
