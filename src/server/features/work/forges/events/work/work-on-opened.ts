/** Reads a pull request that people have opened, and decides about its opening, once. */
import { diffFiles } from "#git/diff/diff.js";
import { mergeBase, resolveCommit } from "#git/store/repository.js";
import { fetchInBackground } from "../../../../code/projects/index.js";
import { ForgeError, type RemotePullRequest } from "../../forge.js";
import { explainLinking } from "../comments/explain-linking.js";
import { decideChange, type ChangeContext } from "../decide/decide-change.js";
import { writers } from "../decide/event-values.js";
import type { Place } from "../place.queries.js";
import { nothingSeen } from "../seen/changes.js";
import * as seen from "../seen/seen.queries.js";
import type { WorkDeps } from "../work-deps.js";
import type { Work } from "./work-on-issue.js";

/** Attempts that wait for the commits of a request; it goes on without them then. */
const MAX_WAITS = 20;
const WAIT_SECONDS = 3;
/** Maximum bytes of the changes in a prompt. */
const MAX_DIFF = 64 * 1024;

/**
 * @param attempts how often it was tried before
 * @returns null for a request whose opening was seen before, or that was there before the project was linked
 * @throws ForgeError
 */
export async function workOnOpened(
  deps: WorkDeps,
  place: Place,
  number: number,
  attempts: number,
): Promise<Work | null> {
  const { db, clients, automations } = deps;
  const { org_id, project_id, forge_id, repository, linked_at } = place;
  const key = { org_id, project_id, kind: "pull_request" as const, number };
  if (await db.tenant(org_id, (tx) => seen.findSeen(tx, key))) return null;
  const { remote, isTrusted } = await clients.use(org_id, forge_id, async (forge) => {
    const read = await forge.readPullRequest(repository, number);
    return { remote: read, isTrusted: await writers(forge, repository)(read.opened.author) };
  });
  const { opened, title, url, base, state } = remote;
  const isOpen = state === "open" || state === "draft";
  if (!isOpen || Date.parse(opened.at) < Date.parse(linked_at)) return null;
  const { author, body, labels, branch } = opened;
  const shown = { number, title, url, base, body, author: author.login, labels, branch };
  const trust = isTrusted ? ("trusted" as const) : ("untrusted" as const);
  const change = { type: "pull_request.opened", key: "opened" } as const;
  const of = { org_id, project_id, task_id: null, chain: 0, trust, by: author.login };
  const isListenedTo = await automations.listens({
    ...of,
    id: "",
    type: change.type,
    values: { pull_request: shown },
  });
  const context: ChangeContext = {
    place,
    kind: "pull_request",
    number,
    task_id: null,
    chain: 0,
    values: async () => {
      const diff = isListenedTo ? await readDiff(deps, place, remote, attempts) : "";
      return { values: { pull_request: { ...shown, diff } }, trust };
    },
    actorOf: async () => author,
    isAsked: false,
    answer: async () => false,
    explainLink: (login) => explainLinking(deps, place, key, login),
    readLog: async () => null,
  };
  const decision = await decideChange(deps, context, change);
  return {
    decisions: decision === null ? [] : [decision],
    record: (tx) => seen.putSeen(tx, { ...key, state: nothingSeen, chain: 0 }),
  };
}

/**
 * Returns what a request changes, as patches; empty without its commits, as those of a fork.
 * @throws ForgeError while its commits are being fetched
 */
async function readDiff(
  deps: WorkDeps,
  place: Place,
  { head_sha, base, opened }: RemotePullRequest,
  attempts: number,
): Promise<string> {
  const repoPath = deps.runs.storage.repository(place.org_id, place.project_id);
  const head = await resolveCommit(repoPath, head_sha);
  if (head === null) {
    if (opened.is_fork || attempts >= MAX_WAITS) return "";
    await fetchInBackground(deps, place);
    const text = "The commits of the pull request are being fetched.";
    throw new ForgeError("limited", text, WAIT_SECONDS);
  }
  const target = await resolveCommit(repoPath, `refs/heads/${base}`);
  const from = target === null ? null : await mergeBase(repoPath, target, head);
  if (from === null) return "";
  const options = { patch: true, maxPatchBytes: MAX_DIFF, maxPatchBytesPerFile: MAX_DIFF };
  const { files } = await diffFiles(repoPath, from, head, options);
  return files
    .map(({ path, status, patch, binary }) =>
      patch === null || patch === ""
        ? `${path}: ${status}${binary ? ", binary" : ", without its lines"}`
        : patch,
    )
    .join("\n");
}
