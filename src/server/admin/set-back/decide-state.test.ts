import { expect, test } from "vitest";
import { archiveRef } from "#server/features/code/workspaces/archives/archive-workspace.js";
import { decideState } from "./decide-state.js";
import type { WorkspaceState } from "./set-back.queries.js";
import type { StoredCommits } from "./stored-commits.js";

const agent_id = "00000000-0000-7000-8000-000000000001";
const [older, newer, archive] = ["a".repeat(40), "b".repeat(40), "c".repeat(40)] as const;
const branch = "refs/heads/workspace-writer";

const workspace = (changed: Partial<WorkspaceState> = {}): WorkspaceState => ({
  agent_id,
  agent_name: "writer",
  is_terminated: false,
  branch_name: "workspace-writer",
  workspace_type: "local",
  status: "active",
  head_commit: newer,
  parent_commit: older,
  folder_driver: "checkout",
  archive_id: null,
  archive_tip: null,
  error: null,
  ...changed,
});

/** A repository whose commits are `older` and, after it, `known`. */
const stored = (refs: Record<string, string>, known: readonly string[] = []): StoredCommits => ({
  refs: new Map(Object.entries(refs)),
  has: (sha) => [older, ...known].includes(sha),
  treeOf: () => Promise.reject(new Error("no trees")),
  isAncestor: async (sha, of) => sha === of || sha === older,
});

const archived = { status: "archived", archive_id: "9", archive_tip: archive } as const;

test.each([
  [
    "an older branch",
    workspace(),
    stored({ [branch]: older }),
    true,
    { status: "active", tip: older },
  ],
  [
    "the same branch",
    workspace({ head_commit: older }),
    stored({ [branch]: older }),
    true,
    { status: "kept" },
  ],
  [
    "a branch with an unrecorded commit",
    workspace({ head_commit: older }),
    stored({ [branch]: newer }, [newer]),
    true,
    { status: "kept" },
  ],
  [
    "a branch that had been at its commit, and was not at that time",
    workspace(),
    stored({ [branch]: older }, [newer]),
    true,
    { status: "active", tip: older },
  ],
  [
    "no folder",
    workspace(),
    stored({ [branch]: older }),
    false,
    { status: "restoring", tip: older, archiveId: null },
  ],
  [
    "no folder, and none needed",
    workspace({ workspace_type: "remote" }),
    stored({ [branch]: older }),
    false,
    { status: "active", tip: older },
  ],
  ["no branch", workspace(), stored({}), false, { status: "failed" }],
  [
    "an archive that was restored since",
    workspace(),
    stored({ [archiveRef(agent_id, "8")]: older }),
    false,
    { status: "restoring", tip: older, archiveId: "8" },
  ],
  [
    "its archive",
    workspace(archived),
    stored({ [archiveRef(agent_id, "9")]: archive }),
    false,
    { status: "kept" },
  ],
  [
    "a branch that was archived since",
    workspace(archived),
    stored({ [branch]: older }),
    true,
    { status: "active", tip: older },
  ],
  [
    "a branch that was archived since, of a terminated agent",
    workspace({ ...archived, is_terminated: true }),
    stored({ [branch]: older }),
    true,
    { status: "archiving", tip: older, archiveId: "9" },
  ],
  ["a lost archive", workspace(archived), stored({}), false, { status: "failed" }],
  [
    "an archiving that is to be completed",
    workspace({ ...archived, status: "archiving" }),
    stored({ [branch]: archive }),
    true,
    { status: "kept" },
  ],
  [
    "a creation that is to be completed",
    workspace({ status: "creating" }),
    stored({}),
    false,
    { status: "kept" },
  ],
])("a workspace with %s", async (_name, row, repository, hasFolder, expected) => {
  expect(await decideState(row, repository, hasFolder)).toEqual(expected);
});
