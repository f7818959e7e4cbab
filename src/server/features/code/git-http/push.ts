/** A push from its first byte to its report. */
import type { Logger } from "pino";
import { isNoSpace } from "#shared/node/no-space.js";
import { AppError, noSpace, notFound } from "../../../errors.js";
import { inspectPush, inspectTrees, newCommits } from "#git/smart-http/inspect-push.js";
import { PackRefusedError, Quarantine } from "#git/smart-http/quarantine.js";
import {
  MAX_COMMANDS,
  type PushCommand,
  type PushReport,
  type PushRequest,
} from "#git/smart-http/receive-pack.js";
import { listRefs, MAX_REFS } from "#git/store/refs.js";
import { scanReachable } from "#git/objects/scan-objects.js";
import { TokenScan } from "#git/objects/token-scan.js";
import type { Actor } from "../../../access/authenticate.js";
import { authorizedWrites, type AuthorizedWrites } from "../../../access/current-access.js";
import {
  agentOfBranch,
  applyPush,
  type PushedRef,
  type WorkspaceDeps,
} from "../workspaces/index.js";
import { rejectedUpdates, checkPushedRef } from "./push-rules.js";

export interface PushContext {
  orgId: string;
  projectId: string;
  repoPath: string;
  actor: Actor;
  ip: string;
  requestId: string;
  log: Logger;
  /** The refs readable by the caller; null for all. */
  visible: readonly string[] | null;
  maxBytes: number;
  signal: AbortSignal;
}

const serverFailed =
  "the server failed to process this push; try again, or ask the operator to check the server log";

/**
 * Receives a push: quarantines and checks its objects, then updates each ref that the rules allow. No
 * object of a rejected push enters the store.
 */
export async function receivePush(
  deps: WorkspaceDeps,
  context: PushContext,
  request: PushRequest,
): Promise<PushReport> {
  const { commands, commandCount } = request;
  const refusals = new Map<string, string>();
  const answer = (unpack: string | null): PushReport => ({
    unpack,
    refs: commands.map(({ ref }) => ({
      ref,
      refusal: refusals.get(ref) ?? (unpack === null ? null : "the objects were rejected"),
    })),
  });
  try {
    if (commandCount > MAX_COMMANDS) {
      throw new PackRefusedError(`push at most ${MAX_COMMANDS} refs at once`);
    }
    const wanted = await allowedCommands(deps, context, commands, refusals);
    const isRefused = request.atomic && refusals.size > 0;
    if (wanted.length === 0 || isRefused) {
      rejectRemaining(refusals, commands);
      await readToEnd(request.pack);
      return answer(null);
    }
    const quarantine = await Quarantine.open(context.repoPath);
    try {
      const isNarrow = context.visible !== null;
      const { maxBytes, signal } = context;
      await quarantine.receive(request.pack, { isAlone: isNarrow, maxBytes, signal });
      await applyReceived(deps, context, request, wanted, quarantine, refusals);
      return answer(null);
    } finally {
      await quarantine.discard();
    }
  } catch (error) {
    await readToEnd(request.pack);
    context.signal.throwIfAborted();
    if (isNoSpace(error)) return answer(noSpace().message);
    if (error instanceof PackRefusedError) return answer(error.message);
    if (error instanceof AppError) return answer(error.message);
    context.log.error({ err: error }, "a push failed");
    return answer(serverFailed);
  }
}

/**
 * The client reads the report only after sending everything. An early report would leave its connection
 * open and delay a shutdown.
 */
async function readToEnd(pack: AsyncGenerator<Buffer>): Promise<void> {
  for await (const _chunk of pack);
}

function rejectRemaining(refusals: Map<string, string>, commands: readonly PushCommand[]): void {
  for (const { ref } of commands) {
    if (!refusals.has(ref)) {
      refusals.set(ref, "not updated because another ref of this atomic push was rejected");
    }
  }
}

/** Applies the rules that need no objects. */
async function allowedCommands(
  { db }: WorkspaceDeps,
  { orgId, projectId, actor }: PushContext,
  commands: readonly PushCommand[],
  refusals: Map<string, string>,
): Promise<PushedRef[]> {
  const wanted: PushedRef[] = [];
  const seen = new Set<string>();
  for (const command of commands) {
    const { ref, from, to } = command;
    if (seen.has(ref)) {
      refusals.set(ref, "the ref is named twice");
    } else {
      const owner = await checkPushedRef(command, actor, (branch) =>
        agentOfBranch(db, orgId, projectId, branch),
      );
      if ("refusal" in owner) refusals.set(ref, owner.refusal);
      else if (to !== null) wanted.push({ ref, from, to, agentId: owner.agentId });
    }
    seen.add(ref);
  }
  return wanted.filter(({ ref }) => !refusals.has(ref));
}

/** Checks the objects and the resulting ref updates, then applies the allowed ones. */
async function applyReceived(
  deps: WorkspaceDeps,
  context: PushContext,
  request: PushRequest,
  wanted: readonly PushedRef[],
  quarantine: Quarantine,
  refusals: Map<string, string>,
): Promise<void> {
  const { orgId, projectId, repoPath, actor, ip, requestId, visible, signal } = context;
  const refs = await listRefs(repoPath, "refs/");
  requireRefLimit(refs, wanted);
  const objectsOf = (isShown: (ref: string) => boolean): string[] => [
    ...new Set(refs.filter(({ ref }) => isShown(ref)).map(({ sha }) => sha)),
  ];
  const all = objectsOf(() => true);
  await inspectPush(quarantine, {
    tips: wanted.map(({ to }) => to),
    known: visible === null ? all : objectsOf((ref) => visible.includes(ref)),
    isNarrow: visible !== null,
    signal,
  });
  for (const [ref, refusal] of await rejectedUpdates(quarantine.path, wanted, refs)) {
    refusals.set(ref, refusal);
  }
  await rejectLeakedKeys(deps, context, wanted, all, quarantine);
  const moving = wanted.filter(({ ref }) => !refusals.has(ref));
  if (moving.length === 0) return;
  if (request.atomic && refusals.size > 0) return rejectRemaining(refusals, request.commands);
  const commits = await newCommits(
    quarantine,
    moving.map(({ to }) => to),
    all,
  );
  await inspectTrees(quarantine, commits);
  const landed = await applyPush(deps, {
    orgId,
    projectId,
    origin: { actor, ip, requestId },
    write: writesOf(deps, context).write,
    refs: moving.filter(({ from, to }) => from !== to),
    commits,
    atomic: request.atomic,
    quarantine,
  });
  for (const [ref, refusal] of landed) refusals.set(ref, refusal);
}

/** @throws PackRefusedError when the repository would exceed its limit of branches and tags */
function requireRefLimit(refs: readonly { ref: string }[], wanted: readonly PushedRef[]): void {
  const isPublic = ({ ref }: { ref: string }): boolean => /^refs\/(?:heads|tags)\//.test(ref);
  const added = wanted.filter(({ from }) => from === null).length;
  if (added === 0 || refs.filter(isPublic).length + added <= MAX_REFS) return;
  throw new PackRefusedError(
    `the repository is limited to ${MAX_REFS} branches and tags; push fewer`,
  );
}

/** The push's write transactions; each repeats the authorization of the request. */
function writesOf(
  { db }: WorkspaceDeps,
  { orgId, actor, ip, requestId }: PushContext,
): AuthorizedWrites {
  return authorizedWrites(db, {
    actor,
    ip,
    requestId,
    orgId,
    permission: "project:git:write",
    whenArchived: false,
    absent: notFound,
  });
}

/** @throws PackRefusedError when a new file or message contains an active API key */
async function rejectLeakedKeys(
  { leaks }: WorkspaceDeps,
  { actor, ip, requestId, signal }: PushContext,
  wanted: readonly PushedRef[],
  known: readonly string[],
  quarantine: Quarantine,
): Promise<void> {
  const scan = new TokenScan(leaks.keyPrefix);
  const tips = wanted.map(({ to }) => to);
  await scanReachable(quarantine.path, tips, known, scan, signal);
  if (scan.isClean) return;
  const branch = wanted[0]?.ref.replace(/^refs\/(?:heads|tags)\//, "") ?? "";
  const leak = await leaks.findActive(scan.found, { origin: { actor, ip, requestId }, branch });
  if (!leak) return;
  throw new PackRefusedError(
    `${JSON.stringify(leak.path)}, line ${leak.line}, contains an active API key; revoke the key, or remove it from the commits`,
  );
}
