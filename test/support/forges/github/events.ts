import { createHmac } from "node:crypto";
import type { EventFormat, Payload } from "../outbox.js";
import type { DoubleEvent } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import { commentOf, issueOf } from "./issues.js";
import { userOf } from "./paths.js";

export const githubEvents: EventFormat = {
  payloadOf,
  headersOf: ({ id, name, secret, body }) => ({
    "user-agent": "GitHub-Hookshot/double",
    "x-github-delivery": id,
    "x-github-event": name,
    "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`,
  }),
};

function payloadOf(repository: DoubleRepository, event: DoubleEvent, url: string): Payload {
  const common = {
    repository: { id: repository.id, full_name: repository.name },
    sender: userOf(event.login),
  };
  switch (event.kind) {
    case "issue": {
      const issue = issueOf(url, repository, event.issue);
      const label = { name: event.issue.labels.at(-1) };
      const more = event.action === "labeled" ? { label } : {};
      return { name: "issues", body: { action: event.action, issue, ...more, ...common } };
    }
    case "comment": {
      const { on, action } = event;
      const comment = commentOf(url, repository, on, event.comment);
      const issue = issueOf(url, repository, on);
      return { name: "issue_comment", body: { action, issue, comment, ...common } };
    }
    case "pull": {
      const { number, title, state } = event.pull;
      const pull_request = { number, title, state, merged: state === "merged" };
      return {
        name: "pull_request",
        body: { action: event.action, number, pull_request, ...common },
      };
    }
    case "review": {
      const { number, title } = event.pull;
      const { state, body } = event.review;
      const review = { state: state.toLowerCase(), body: body ?? null };
      const shown = { action: "submitted", review, pull_request: { number, title }, ...common };
      return { name: "pull_request_review", body: shown };
    }
    case "thread": {
      const { number, title } = event.pull;
      const comment = commentOf(url, repository, event.pull, event.comment);
      const shown = { action: "created", comment, pull_request: { number, title }, ...common };
      return { name: "pull_request_review_comment", body: shown };
    }
    case "check": {
      const { sha, check } = event;
      if ("state" in check) {
        const { state, name: context } = check;
        return { name: "status", body: { sha, state, context, ...common } };
      }
      const check_run = { id: repository.checkId(check), name: check.name, head_sha: sha };
      return { name: "check_run", body: { action: "completed", check_run, ...common } };
    }
    case "push":
      return {
        name: "push",
        body: { ref: `refs/heads/${event.branch}`, after: event.sha, ...common },
      };
  }
}
