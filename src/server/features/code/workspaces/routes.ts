import type { previews } from "#shared/api/code/previews.js";
import type { MergeRequest } from "#shared/api/code/merge-requests.js";
import type { Merge } from "#shared/api/code/merges.js";
import { workspaces } from "#shared/api/code/workspaces.js";
import { isComparing } from "../../../db/precondition.js";
import { notFound } from "../../../errors.js";
import { Answer, Content } from "../../../http/answers/answer.js";
import type { Handlers } from "../../../http/register-routes.js";
import { byName, byTime, pagesOf } from "../../../http/requests/pagination.js";
import { refreshWorkspace } from "../../operation/disk-usage/index.js";
import { archiveWorkspace, restoreWorkspace } from "./archives/archive-workspace.js";
import * as commits from "./commits/commits.queries.js";
import { commitWorkspace } from "./commits/commit-workspace.js";
import { createWorkspace } from "./create-workspace.js";
import { listWorkspaces } from "./list-workspaces.js";
import * as merges from "./merges/merges.queries.js";
import { mergeWorkspace, previewConflicts, previewMerge } from "./merges/merge-workspace.js";
import { preview } from "./merges/preview.js";
import { readMergeChanges } from "./merges/read-merge-changes.js";
import { readMergeConflicts } from "./merges/planning/read-conflicts.js";
import { readChanges, readDiff, readRawDiff, updateWorkspace } from "./workspaces.js";
import { syncWorkspace } from "./merges/syncs/sync-workspace.js";
import { restoreVersion, revertMerge } from "./merges/revert-merge.js";
import { enqueueMerge, enqueueUndo } from "./queue/enqueue-merge.js";
import { isVisible, visibleBranches } from "./visible-branches.js";
import type { DockerSandbox } from "#sandbox/docker/docker.js";
import { readWorkspace, requireWorkspace, type WorkspaceDeps } from "./workspace.js";

/** Answers 201 for an applied merge, and 200 when it was up to date. */
function answerMerge(merge: Merge): Answer<Merge> {
  return new Answer(merge, { status: merge.id === null ? 200 : 201 });
}

/** Answers 202 with a queued request. */
function queued(request: MergeRequest): Answer<MergeRequest> {
  return new Answer(request, { status: 202 });
}

export function workspaceHandlers(
  deps: WorkspaceDeps,
  docker: DockerSandbox["report"],
): Handlers<typeof workspaces> {
  const pages = pagesOf(workspaces.ofProject, byName);
  const projectMergePages = pagesOf(workspaces.mergesOfProject, byTime);
  const commitPages = pagesOf(workspaces.commits, byTime);
  const mergePages = pagesOf(workspaces.merges, byTime);
  return {
    ofProject: (context, { params, query }) =>
      pages(context, query, {
        read: (after, limit) =>
          listWorkspaces(deps, context, params.project_id, after?.[0] ?? "", limit),
        keyOf: ({ agent_name }) => [agent_name],
      }),
    mergesOfProject: (context, { params, query }) =>
      projectMergePages(context, query, {
        read: (after, limit) =>
          context.tx(async (db) => {
            const visible = await visibleBranches(db, context.actor, params.project_id);
            return merges.listMergesOfProject(db, params.project_id, visible, after, limit);
          }),
        keyOf: ({ created_at, id }) => [created_at, id],
      }),
    create: (context, { params, body }) =>
      createWorkspace(deps, context, params.agent_id, body ?? {}, docker),
    get: async (context, { params }) => {
      const { agent_id } = params;
      const { status, disk_measured_at } = await context.tx((tx) => requireWorkspace(tx, agent_id));
      if (status === "active" && !isComparing()) {
        await refreshWorkspace(deps, context, agent_id, disk_measured_at);
      }
      return readWorkspace(deps, context, agent_id);
    },
    update: (context, { params, body }) => updateWorkspace(deps, context, params.agent_id, body),
    archive: async (context, { params }) => {
      await archiveWorkspace(deps, context, params.agent_id);
      return undefined;
    },
    restore: async (context, { params }) => {
      await restoreWorkspace(deps, context, params.agent_id);
      return readWorkspace(deps, context, params.agent_id);
    },
    changes: (context, { params }) => readChanges(deps, context, params.agent_id),
    createCommit: async (context, { params, body }) => {
      const commit = await commitWorkspace(deps, context, params.agent_id, body);
      return new Answer(commit, { status: commit.created ? 201 : 200 });
    },
    commits: async (context, { params, query }) => {
      const { commit_type } = query;
      const page = await commitPages(context, query, {
        read: (after, limit) =>
          context.tx(async (db) => {
            await requireWorkspace(db, params.agent_id);
            return commits.listCommits(db, params.agent_id, { after, limit, commit_type });
          }),
        keyOf: ({ created_at, id }) => [created_at, id],
      });
      return new Answer(
        page.body.map(({ id: _id, ...commit }) => commit),
        page.head,
      );
    },
    commit: async ({ tx }, { params }) => {
      const found = await tx((db) => commits.findCommit(db, params.agent_id, params.sha));
      if (!found) throw notFound();
      return found.commit;
    },
    diff: async (context, { params }) => {
      if (/\btext\/x-diff\b/.test(context.request.headers.accept ?? "")) {
        const stream = await readRawDiff(deps, context, params.agent_id, params.sha);
        return new Content("text/x-diff", stream);
      }
      return readDiff(deps, context, params.agent_id, params.sha);
    },
    previewMerge: (context, { params, body }) =>
      previewMerge(deps, context, params.agent_id, body ?? {}),
    createMerge: async (context, { params, body }) => {
      const { queue, ...request } = body ?? {};
      if (queue) return queued(await enqueueMerge(deps, context, params.agent_id, request));
      return answerMerge(await mergeWorkspace(deps, context, params.agent_id, request));
    },
    merges: (context, { params, query }) =>
      mergePages(context, query, {
        read: (after, limit) =>
          context.tx(async (db) => {
            const { project_id } = await requireWorkspace(db, params.agent_id);
            const visible = await visibleBranches(db, context.actor, project_id);
            const which = { agentId: params.agent_id, ofMerge: query.of_merge, visible };
            return merges.listMerges(db, which, after, limit);
          }),
        keyOf: ({ created_at, id }) => [created_at, id],
      }),
    merge: ({ actor, tx }, { params }) =>
      tx(async (db) => {
        const { agent_id, merge_id } = params;
        const recorded = await merges.findRecorded(db, agent_id, merge_id);
        if (!recorded || !(await isVisible(db, actor, recorded))) throw notFound();
        return (await merges.findMerge(db, agent_id, merge_id)) as Merge;
      }),
    mergeChanges: (context, { params }) =>
      readMergeChanges(deps, context, params.agent_id, params.merge_id),
    mergeConflicts: (context, { params }) =>
      readMergeConflicts(deps, context, params.agent_id, params.merge_id),
    previewConflicts: (context, { params, body }) =>
      previewConflicts(deps, context, params.agent_id, body ?? {}),
    sync: async (context, { params, body }) =>
      answerMerge(await syncWorkspace(deps, context, params.agent_id, body ?? {})),
    revertMerge: async (context, { params, body }) => {
      const { agent_id, merge_id } = params;
      const { queue, ...request } = body ?? {};
      if (queue) return queued(await enqueueUndo(deps, context, agent_id, merge_id, request));
      return answerMerge(await revertMerge(deps, context, agent_id, merge_id, request));
    },
    restoreVersion: async (context, { params, body }) => {
      const { agent_id, merge_id } = params;
      const { queue, ...request } = body;
      if (queue) return queued(await enqueueUndo(deps, context, agent_id, merge_id, request));
      return answerMerge(await restoreVersion(deps, context, agent_id, merge_id, request));
    },
  };
}

export function previewHandlers(deps: WorkspaceDeps): Handlers<typeof previews> {
  return {
    create: (context, { params, body }) => preview(deps, context, params.agent_id, body),
  };
}
