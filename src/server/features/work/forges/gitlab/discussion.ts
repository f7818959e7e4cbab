import {
  AccessLevel,
  IssueNotes,
  Issues,
  MergeRequestNotes,
  ProjectMembers,
  Users,
  type IssueSchema,
  type NoteSchema,
} from "@gitbeaker/rest";
import {
  MAX_COMMENTS,
  MAX_ISSUES,
  type Discussed,
  type ForgeDiscussion,
  type RemoteComment,
  type RemoteIssue,
} from "../forge-discussion.js";
import { ForgeError } from "../forge.js";
import type { GitlabOptions } from "./client.js";
import { personOf } from "./people.js";

const PAGE = 100;

type DiscussionCalls = Pick<
  ForgeDiscussion,
  "readIssue" | "listIssues" | "listComments" | "createComment" | "updateComment" | "canWrite"
>;

export function discussionCalls(options: GitlabOptions): DiscussionCalls {
  const issues = new Issues(options);
  const members = new ProjectMembers(options);
  const users = new Users(options);
  const notesOf = ({ kind }: Discussed) =>
    kind === "issue" ? new IssueNotes(options) : new MergeRequestNotes(options);

  return {
    readIssue: async (repository, number) =>
      issueOf(await issues.show(number, { projectId: repository })),
    listIssues: async (repository, since) => {
      const found = await issues.all({
        projectId: repository,
        scope: "all",
        orderBy: "updated_at",
        sort: "asc",
        perPage: PAGE,
        maxPages: MAX_ISSUES / PAGE,
        ...(since !== null && { updatedAfter: since }),
      });
      return found.map(issueOf);
    },
    listComments: async (at, since) => {
      const notes = await newestNotes(
        (page) =>
          notesOf(at).all(at.repository, at.number, {
            sort: "desc",
            orderBy: "updated_at",
            perPage: PAGE,
            page,
            maxPages: 1,
          }),
        since,
      );
      return notes
        .filter(isComment)
        .map((note) => commentOf(options.host, at, note))
        .sort((one, other) => one.created_at.localeCompare(other.created_at));
    },
    createComment: async (at, body) =>
      commentOf(options.host, at, await notesOf(at).create(at.repository, at.number, body)),
    updateComment: async (at, id, body) => {
      await notesOf(at).edit(at.repository, at.number, Number(id), { body });
    },
    canWrite: async (repository, login) => {
      const [user] = await users.all({ username: login, perPage: 1, maxPages: 1 });
      if (!user) return false;
      try {
        const member = await members.show(repository, user.id, { includeInherited: true });
        return member.access_level >= AccessLevel.DEVELOPER && member.state === "active";
      } catch (error) {
        if (error instanceof ForgeError && error.failure === "not_found") return false;
        throw error;
      }
    },
  };
}

/** Reads notes, newest change first, back to a time. GitLab cannot filter them. */
async function newestNotes(
  read: (page: number) => Promise<NoteSchema[]>,
  since: string | null,
): Promise<NoteSchema[]> {
  const from = since === null ? Number.NEGATIVE_INFINITY : Date.parse(since);
  const found: NoteSchema[] = [];
  for (let page = 1; page <= MAX_COMMENTS / PAGE; page += 1) {
    const notes = await read(page);
    found.push(...notes.filter((note) => Date.parse(note.updated_at) >= from));
    const last = notes.at(-1);
    if (!last || notes.length < PAGE || Date.parse(last.updated_at) < from) break;
  }
  return found;
}

/** Notes of the system, at places of files, and for members alone are no comments. */
const isComment = (note: NoteSchema): boolean =>
  !note.system &&
  note["type"] !== "DiffNote" &&
  note["internal"] !== true &&
  note["confidential"] !== true;

export function issueOf(issue: IssueSchema): RemoteIssue {
  const labels = issue.labels as (string | { name: string })[];
  return {
    number: issue.iid,
    title: issue.title,
    body: issue.description ?? "",
    url: issue.web_url,
    state: issue.state === "opened" ? "open" : "closed",
    author: personOf(issue.author),
    labels: labels.map((label) => (typeof label === "string" ? label : label.name)),
    assignees: (issue.assignees ?? []).map(({ username }) => username),
    updated_at: issue.updated_at,
  };
}

interface Note {
  id: number;
  body: string;
  author: { username: string } | null;
  created_at: string;
  updated_at: string;
}

export function commentOf(host: string, at: Discussed, note: Note): RemoteComment {
  const place = at.kind === "issue" ? "issues" : "merge_requests";
  return {
    id: String(note.id),
    body: note.body,
    author: personOf(note.author),
    url: `${host}/${at.repository}/-/${place}/${at.number}#note_${note.id}`,
    created_at: note.created_at,
    updated_at: note.updated_at,
  };
}
