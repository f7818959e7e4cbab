/** The texts of GraphQL that the server sends. They are compared as they are: GitHub's schema is not checked. */
import type { ApiAnswer, ApiRequest, ForgeDouble } from "../forge-double.js";

const READY = /markPullRequestReadyForReview\(input: \{pullRequestId: \$id\}\)/;
const RESOLVE = /\b(resolve|unresolve)ReviewThread\(input: \{threadId: \$id\}\)/;
const THREADS = /reviewThreads\(first: 100, after: \$after\)/;
const PAGE = 100;

export function answerGraphql(double: ForgeDouble, request: ApiRequest): ApiAnswer {
  const { query = "", variables = {} } = request.body as {
    query?: string;
    variables?: Record<string, unknown>;
  };
  const pulls = double.repositories.flatMap((repository) =>
    repository.pulls.map((pull) => ({ id: `PR_${repository.id}_${pull.number}`, pull })),
  );
  if (READY.test(query)) {
    const found = pulls.find(({ id }) => id === variables["id"]);
    if (!found) return missing;
    found.pull.draft = false;
    return { body: { data: { markPullRequestReadyForReview: { clientMutationId: null } } } };
  }
  const [, verb] = RESOLVE.exec(query) ?? [];
  if (verb !== undefined) {
    const threads = pulls.flatMap(({ pull }) => pull.threads);
    const thread = threads.find(({ id }) => `PRRT_${id}` === variables["id"]);
    if (!thread) return missing;
    thread.isResolved = verb === "resolve";
    return { body: { data: { [`${verb}ReviewThread`]: { clientMutationId: null } } } };
  }
  return THREADS.test(query) ? threadsAnswer(double, request, variables) : missing;
}

function threadsAnswer(
  double: ForgeDouble,
  request: ApiRequest,
  { owner, repo, number, after }: Record<string, unknown>,
): ApiAnswer {
  const repository = double.find(`${String(owner)}/${String(repo)}`, request);
  const pull = repository?.pull(Number(number));
  if (!pull) return missing;
  const from = Number(after ?? 0);
  const nodes = pull.threads.slice(from, from + PAGE).map((thread) => ({
    id: `PRRT_${thread.id}`,
    isResolved: thread.isResolved,
    comments: { nodes: [{ databaseId: thread.id }] },
  }));
  const hasNextPage = pull.threads.length > from + PAGE;
  const endCursor = hasNextPage ? String(from + PAGE) : null;
  const reviewThreads = { pageInfo: { hasNextPage, endCursor }, nodes };
  return { body: { data: { repository: { pullRequest: { reviewThreads } } } } };
}

const missing: ApiAnswer = {
  body: {
    data: null,
    errors: [{ type: "NOT_FOUND", message: "Could not resolve to a node" }],
  },
};
