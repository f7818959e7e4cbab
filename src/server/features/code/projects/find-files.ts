import { setImmediate as turn } from "node:timers/promises";
import { foldText, resembles, searchWords } from "#shared/work/search-words.js";
import { listPaths } from "#git/store/list-paths.js";
import { resolveCommit } from "#git/store/repository.js";
import { notFound } from "../../../errors.js";
import type { OrgContext } from "../../../http/requests/request-context.js";
import { branchRef, visibleBranches } from "../workspaces/index.js";
import * as queries from "./projects.queries.js";
import type { ProjectDeps } from "./project.js";

/** The files of a default branch that are searched; further ones are not found. */
const SEARCHED = 200_000;
const MAX_FOUND = 200;
/** Paths for each turn of the event loop. */
const TURN = 1000;

/** A file with its place among the found ones, from 1. */
export interface FoundFile {
  path: string;
  place: number;
}

/**
 * Finds files of the default branch by words of their paths: those whose names have the words first, shorter paths
 * first. If no path has the words, files with similar words.
 * @throws AppError 404
 */
export async function findFiles(
  deps: ProjectDeps,
  context: OrgContext,
  id: string,
  q: string,
): Promise<FoundFile[]> {
  const { project, visible } = await context.tx(async (tx) => ({
    project: await queries.findProject(tx, id),
    visible: await visibleBranches(tx, context.actor, id),
  }));
  if (!project) throw notFound();
  const { default_branch: branch } = project;
  if (project.status !== "ready" || visible?.has(branch) === false) return [];
  const repoPath = deps.storage.repository(context.orgId, id);
  const commit = await resolveCommit(repoPath, branchRef(branch));
  if (commit === null) return [];
  const paths = await listPaths(repoPath, commit, SEARCHED);
  const words = searchWords(q);
  const folded = words.map(foldText);
  const exact = await choose(paths, (path) => {
    const text = foldText(path);
    return folded.every((word) => text.includes(word));
  });
  const found = exact.length > 0 ? exact : await choose(paths, (path) => resembles(path, words));
  const namesOfFiles = (path: string): number => {
    const name = foldText(path.slice(path.lastIndexOf("/") + 1));
    return folded.filter((word) => name.includes(word)).length;
  };
  return found
    .map((path) => ({ path, inName: namesOfFiles(path) }))
    .toSorted((left, right) => right.inName - left.inName || left.path.length - right.path.length)
    .slice(0, MAX_FOUND)
    .map(({ path }, at) => ({ path, place: at + 1 }));
}

/** Filters paths without holding up other requests. */
async function choose(
  paths: readonly string[],
  isChosen: (path: string) => boolean,
): Promise<string[]> {
  const chosen: string[] = [];
  for (const [at, path] of paths.entries()) {
    if (at % TURN === TURN - 1) await turn();
    if (isChosen(path)) chosen.push(path);
  }
  return chosen;
}
