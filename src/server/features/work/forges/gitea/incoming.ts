import {
  branchOf,
  idOfBody,
  isSigned,
  memberAt,
  numberAt,
  parseBody,
  textAt,
} from "../client/event-body.js";
import type { EventHeaders, Incoming, IncomingEvent } from "../client/incoming-event.js";
import { isBotLogin } from "./people.js";

/** Forgejo sends its own headers, and those of Gitea beside them. */
const header = (headers: EventHeaders, name: string): string | undefined =>
  headers[`x-gitea-${name}`] || headers[`x-forgejo-${name}`] || undefined;

/** Events of Gitea and Forgejo. */
export const giteaIncoming: Incoming = {
  verify: (secret, headers, body) => isSigned(secret, header(headers, "signature"), body),
  read: (headers, body) => {
    const payload = parseBody(body);
    const event = header(headers, "event");
    if (event === undefined) return null;
    const action = textAt(payload, "action");
    const login = textAt(payload, "sender", "login") ?? textAt(payload, "sender", "username");
    return {
      delivery_id: header(headers, "delivery") ?? idOfBody(body),
      name: action === null ? event : `${event}.${action}`,
      repository: textAt(payload, "repository", "full_name"),
      subject: subjectOf(event, payload),
      login,
      is_bot: login !== null && isBotLogin(login),
    };
  },
};

function subjectOf(event: string, payload: unknown): IncomingEvent["subject"] {
  if (event === "push") {
    const name = branchOf(textAt(payload, "ref"));
    return name === null ? null : { kind: "branch", name };
  }
  if (event === "create" || event === "delete") {
    const name = textAt(payload, "ref_type") === "branch" ? textAt(payload, "ref") : null;
    return name === null ? null : { kind: "branch", name };
  }
  if (event === "status" || event.startsWith("workflow_")) {
    const sha = textAt(payload, "sha") ?? textAt(payload, event, "head_sha");
    return sha === null ? null : { kind: "commit", sha };
  }
  const pull = numberAt(payload, "pull_request", "number");
  if (pull !== null) return { kind: "pull_request", number: pull };
  const number = numberAt(payload, "issue", "number") ?? numberAt(payload, "number");
  if (number === null) return null;
  const isPull =
    event.startsWith("pull_request") ||
    memberAt(payload, "is_pull") === true ||
    typeof memberAt(payload, "issue", "pull_request") === "object";
  const isNull = memberAt(payload, "issue", "pull_request") === null;
  return { kind: isPull && !isNull ? "pull_request" : "issue", number };
}
