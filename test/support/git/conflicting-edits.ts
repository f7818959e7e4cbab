import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Workspace } from "#shared/api/code/workspaces.js";
import {
  commitFiles,
  folderOf,
  makeProjectWith,
  makeWorkspace,
  mergeIntoBase,
} from "../fixtures/factories.js";
import type { TestPerson } from "../server/app.js";

/** An edit of a folder, as an agent would make it. */
export type Edit = (at: (path: string) => string) => Promise<unknown>;

export const put =
  (path: string, data: string | Uint8Array): Edit =>
  async (at) => {
    await mkdir(dirname(at(path)), { recursive: true });
    await writeFile(at(path), data);
  };
export const remove =
  (path: string): Edit =>
  (at) =>
    rm(at(path), { recursive: true });
export const both =
  (...edits: Edit[]): Edit =>
  async (at) => {
    for (const edit of edits) await edit(at);
  };
export const move =
  (from: string, to: string): Edit =>
  (at) =>
    rename(at(from), at(to));

/** Creates a workspace whose edit conflicts with an earlier merge. */
export async function makeConflicting(
  owner: TestPerson,
  orgId: string,
  base: Record<string, string>,
  target: Edit,
  source: Edit,
) {
  const project = await makeProjectWith(owner, orgId, base);
  const first = (await makeWorkspace(owner, project.id)).workspace;
  const { workspace } = await makeWorkspace(owner, project.id);
  const edit = async (workspace: Workspace, work: Edit) => {
    await work((path) => join(folderOf(workspace), path));
    await commitFiles(owner, workspace, {});
  };
  await edit(first, target);
  await edit(workspace, source);
  await mergeIntoBase(owner, first);
  return { project, workspace, params: { agent_id: workspace.agent_id } };
}
