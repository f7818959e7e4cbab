/** Tables of requests: each with its description and its answer. */
import { findDescribed, checkFields, type DescribedRequest } from "./check-fields.js";
import {
  notFound,
  type ApiAnswer,
  type ApiRequest,
  type ForgeApi,
  type ForgeDouble,
} from "./forge-double.js";
import type { DoubleIssue, DoublePull } from "./records.js";
import type { DoubleRepository } from "./repository.js";

/** A request of the whole forge. */
export interface Asked extends ApiRequest {
  double: ForgeDouble;
  parts: Record<string, string>;
}

/** A request of one repository. */
export interface RepositoryAsked extends Asked {
  repository: DoubleRepository;
}

export interface PullAsked extends RepositoryAsked {
  pull: DoublePull;
}

export interface SubjectAsked extends RepositoryAsked {
  subject: DoubleIssue | DoublePull;
}

export type Answering<Question> = (asked: Question) => ApiAnswer | Promise<ApiAnswer>;
/** A request with its description. */
export type Route = DescribedRequest & { answer: Answering<Asked> };
export type Routes = Record<string, Route>;

export interface PathNames {
  repositoryOf(parts: Record<string, string>): string;
  numberOf(parts: Record<string, string>): number;
}

/** Returns wrappers that find what the path of a request names, or answer that nothing is there. */
export function findersBy(names: PathNames) {
  const ofRepository =
    (answer: Answering<RepositoryAsked>): Answering<Asked> =>
    (asked) => {
      const repository = asked.double.find(names.repositoryOf(asked.parts), asked);
      return repository ? answer({ ...asked, repository }) : notFound;
    };
  const ofPull = (answer: Answering<PullAsked>): Answering<Asked> =>
    ofRepository((asked) => {
      const pull = asked.repository.pull(names.numberOf(asked.parts));
      return pull ? answer({ ...asked, pull }) : notFound;
    });
  const ofIssue = (answer: Answering<RepositoryAsked & { issue: DoubleIssue }>): Answering<Asked> =>
    ofRepository((asked) => {
      const issue = asked.repository.issue(names.numberOf(asked.parts));
      return issue ? answer({ ...asked, issue }) : notFound;
    });
  /** Finds an issue or a pull request, where both are counted together. */
  const ofSubject = (answer: Answering<SubjectAsked>): Answering<Asked> =>
    ofRepository((asked) => {
      const number = names.numberOf(asked.parts);
      const subject = asked.repository.issue(number) ?? asked.repository.pull(number);
      return subject ? answer({ ...asked, subject }) : notFound;
    });
  return { ofRepository, ofPull, ofIssue, ofSubject };
}

/** Makes an API of a table whose descriptions are in the table. */
export function apiOfRoutes(routes: Routes): Pick<ForgeApi, "check" | "answer"> {
  return {
    check: (request) => checkFields(routes, request),
    answer: async (double, request) => {
      const found = findDescribed(routes, request);
      const route = found && routes[found.name];
      return route ? route.answer({ ...request, double, parts: found.parts }) : notFound;
    },
  };
}

/** Answers with a page of a list, and the address of the next one. */
export function pageOf(
  { double, path, query }: Asked,
  entries: readonly unknown[],
  size: { name: string; usual: number; max: number },
): ApiAnswer {
  const page = Number(query.get("page") ?? 1);
  const limit = Math.min(Number(query.get(size.name) ?? size.usual), size.max);
  const body = entries.slice((page - 1) * limit, page * limit);
  if (entries.length <= page * limit) return { body };
  const next = new URLSearchParams(query);
  next.set("page", String(page + 1));
  return { body, headers: { link: `<${double.apiUrl}${path}?${next}>; rel="next"` } };
}

/** Merges a request, unless it has other commits or is not ready. */
export async function mergeAnswer(
  { repository, pull }: Pick<PullAsked, "repository" | "pull">,
  {
    method,
    sha,
    isDraft,
  }: { method: "merge" | "squash" | "rebase"; sha: unknown; isDraft: boolean },
  refusals: { notReady: string; otherHead: string },
): Promise<ApiAnswer | null> {
  if (isDraft || pull.state !== "open" || !(await repository.isMergeable(pull))) {
    return { status: 405, body: { message: refusals.notReady } };
  }
  if (sha !== undefined && sha !== (await repository.headOf(pull))) {
    return { status: 409, body: { message: refusals.otherHead } };
  }
  await repository.merge(pull, method);
  return null;
}

/** Adds or changes a hook by the fields of a request. */
export function saveHook(
  { double, repository, parts }: RepositoryAsked,
  { url, secret }: { url: unknown; secret: unknown },
): { id: number; url: string } | null {
  const { hooks } = double.outbox;
  const id = Number(parts["hook_id"] ?? 0);
  const known = hooks.find((hook) => hook.id === id && hook.repository === repository.name);
  if (id > 0 && !known) return null;
  const hook = known ?? {
    id: hooks.length + 1,
    repository: repository.name,
    url: "",
    secret: "",
  };
  Object.assign(hook, { url: String(url), secret: String(secret) });
  if (!known) hooks.push(hook);
  return hook;
}

/** Removes the hook that the path names. */
export function removeHook({ double, repository, parts }: RepositoryAsked): ApiAnswer {
  const { hooks } = double.outbox;
  const at = hooks.findIndex(
    ({ id, repository: name }) => id === Number(parts["hook_id"]) && name === repository.name,
  );
  if (at < 0) return notFound;
  hooks.splice(at, 1);
  return { status: 204 };
}

/** Changes the comment that the path names. */
export function editComment(
  { repository, parts, body, login }: RepositoryAsked,
  shown: (comment: DoublePull["comments"][number], on: DoubleIssue | DoublePull) => object,
): ApiAnswer {
  const id = Number(parts["comment_id"]);
  for (const on of [...repository.issues, ...repository.pulls]) {
    const comment = on.comments.find((one) => one.id === id);
    if (!comment) continue;
    repository.editComment(on, comment, login, String(body["body"]));
    return { body: shown(comment, on) };
  }
  return notFound;
}

/** Returns what changed since a time of the query. */
export function since<Entry extends { updated: string }>(
  entries: readonly Entry[],
  time: string | null,
): Entry[] {
  const from = time === null ? Number.NEGATIVE_INFINITY : Date.parse(time);
  return entries.filter(({ updated }) => Date.parse(updated) >= from);
}
