import type {
  AddResourceHookOptions,
  AllIssuesOptions,
  IssueSchema,
  MemberSchema,
  NoteSchema,
  ProjectHookSchema,
} from "@gitbeaker/rest";
import { notFound, type ForgeDouble } from "../forge-double.js";
import type { DoubleComment, DoubleIssue, DoublePull } from "../records.js";
import type { DoubleRepository } from "../repository.js";
import {
  editComment,
  pageOf,
  removeHook,
  saveHook,
  since,
  type Asked,
  type Routes,
} from "../routes.js";
import {
  inProject,
  loginOf,
  PAGE,
  paged,
  project,
  requests,
  userOf,
  type Fields,
} from "./paths.js";

const { ofIssue, ofPull, ofRepository } = inProject;
const LEVELS = { read: 20, write: 30, admin: 40 };

const list = {
  scope: "string",
  order_by: "string",
  sort: "string",
  updated_after: "string",
} satisfies Fields<AllIssuesOptions>;
const listNotes = { ...paged, sort: "string", order_by: "string" } as const;
const note = { body: "string" } as const;
const hook = {
  token: "string",
  issues_events: "boolean",
  merge_requests_events: "boolean",
  note_events: "boolean",
  pipeline_events: "boolean",
  job_events: "boolean",
  push_events: "boolean",
  enable_ssl_verification: "boolean",
} satisfies Fields<AddResourceHookOptions>;

export const issueRoutes: Routes = {
  [`GET ${project}/issues`]: {
    query: { ...paged, ...list },
    answer: ofRepository((asked) => {
      const { double, repository, query } = asked;
      const changed = since(repository.issues, query.get("updated_after"));
      changed.sort((one, other) => one.updated.localeCompare(other.updated));
      return pageOf(
        asked,
        changed.map((one) => issueOf(double, repository, one)),
        PAGE,
      );
    }),
  },
  [`GET ${project}/issues/{iid}`]: {
    answer: ofIssue(({ double, repository, issue }) => ({
      body: issueOf(double, repository, issue),
    })),
  },
  [`GET ${project}/issues/{iid}/resource_label_events`]: {
    query: paged,
    answer: ofIssue((asked) => {
      const events = asked.issue.activity.flatMap(({ login, label, at }, id) =>
        label === undefined
          ? []
          : { id, user: userOf(login), created_at: at, label: { name: label }, action: "add" },
      );
      return pageOf(asked, events, PAGE);
    }),
  },
  [`GET ${project}/issues/{iid}/notes`]: {
    query: listNotes,
    answer: ofIssue((asked) => notesAnswer(asked, asked.issue)),
  },
  [`GET ${requests}/{iid}/notes`]: {
    query: listNotes,
    answer: ofPull((asked) => notesAnswer(asked, asked.pull)),
  },
  [`POST ${project}/issues/{iid}/notes`]: {
    body: note,
    answer: ofIssue(({ repository, issue, body, login }) => {
      const made = repository.comment(issue, login, String(body["body"]));
      return { status: 201, body: noteOf(made) };
    }),
  },
  [`POST ${requests}/{iid}/notes`]: {
    body: note,
    answer: ofPull(({ repository, pull, body, login }) => {
      const made = repository.comment(pull, login, String(body["body"]));
      return { status: 201, body: noteOf(made) };
    }),
  },
  [`PUT ${project}/issues/{iid}/notes/{comment_id}`]: {
    body: note,
    answer: ofIssue((asked) => editComment(asked, noteOf)),
  },
  [`PUT ${requests}/{iid}/notes/{comment_id}`]: {
    body: note,
    answer: ofPull((asked) => editComment(asked, noteOf)),
  },
  [`GET ${project}/members/all/{user_id}`]: {
    answer: ofRepository(({ repository, parts }) => {
      const login = loginOf(Number(parts["user_id"])) ?? "";
      const permission = repository.permissions.get(login);
      if (permission === undefined) return notFound;
      const member = { ...userOf(login), access_level: LEVELS[permission], state: "active" };
      return { body: member satisfies Partial<Record<keyof MemberSchema, unknown>> };
    }),
  },
  [`GET ${project}/hooks`]: {
    query: paged,
    answer: ofRepository((asked) => {
      const { double, repository } = asked;
      const own = double.outbox.hooks.filter((one) => one.repository === repository.name);
      return pageOf(asked, own.map(hookOf), PAGE);
    }),
  },
  [`POST ${project}/hooks`]: {
    body: { ...hook, url: "string" },
    answer: ofRepository((asked) => {
      const { url, token } = asked.body;
      const saved = saveHook(asked, { url, secret: token });
      return saved ? { status: 201, body: hookOf(saved) } : notFound;
    }),
  },
  [`PUT ${project}/hooks/{hook_id}`]: {
    body: { ...hook, url: "string" },
    answer: ofRepository((asked) => {
      const { url, token } = asked.body;
      const saved = saveHook(asked, { url, secret: token });
      return saved ? { body: hookOf(saved) } : notFound;
    }),
  },
  [`DELETE ${project}/hooks/{hook_id}`]: { answer: ofRepository(removeHook) },
};

const hookOf = ({ id, url }: { id: number; url: string }): Partial<ProjectHookSchema> => ({
  id,
  url,
});

/** Lists the notes of an issue or a request, also those at places and those that GitLab writes. */
function notesAnswer(asked: Asked, on: DoubleIssue | DoublePull) {
  const ofPlaces = "threads" in on ? on.threads.flatMap(({ comments }) => comments) : [];
  const verdicts = "reviews" in on ? on.reviews : [];
  const texts = {
    APPROVED: "approved this merge request",
    CHANGES_REQUESTED: "requested changes",
    COMMENTED: "left review comments",
  };
  const assigned = "activity" in on ? on.activity : [];
  const notes = [
    ...assigned.flatMap(({ login, assignee, at }, index) =>
      assignee === undefined
        ? []
        : {
            ...noteOf({
              id: index + 500_000,
              login,
              body: `assigned to @${assignee}`,
              created: at,
              updated: at,
            }),
            system: true,
          },
    ),
    ...on.comments.map((one) => noteOf(one)),
    ...ofPlaces.map((one) => ({ ...noteOf(one), type: "DiffNote" })),
    ...verdicts.map(({ login, state, at = "" }, index) => ({
      ...noteOf({ id: index + 1, login, body: texts[state], created: at, updated: at }),
      system: true,
    })),
  ];
  const order = asked.query.get("order_by") === "updated_at" ? "updated_at" : "created_at";
  notes.sort((one, other) => one[order].localeCompare(other[order]));
  if (asked.query.get("sort") !== "asc") notes.reverse();
  return pageOf(asked, notes, PAGE);
}

export function noteOf(one: DoubleComment) {
  return {
    id: one.id,
    type: null as string | null,
    body: one.body,
    author: userOf(one.login) as never,
    created_at: one.created,
    updated_at: one.updated,
    system: false,
    resolvable: false,
  } satisfies Partial<NoteSchema>;
}

function issueOf(double: ForgeDouble, { name }: DoubleRepository, issue: DoubleIssue) {
  return {
    iid: issue.number,
    title: issue.title,
    description: issue.body,
    web_url: `${double.url}/${name}/-/issues/${issue.number}`,
    state: issue.state === "open" ? "opened" : "closed",
    author: userOf(issue.login) as never,
    labels: issue.labels,
    assignees: issue.assignees.map((login) => userOf(login) as never),
    updated_at: issue.updated,
  } satisfies Partial<IssueSchema>;
}
