/** A push from its first byte to its answer. */
import type { Logger } from "pino";
import { AppError, isNoSpace, noSpace, notFound } from "../../errors.js";
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
import { TokenScan } from "#git/smart-http/token-scan.js";
import type { Actor } from "../../access/authenticate.js";
import { judgedWrites, type JudgedWrites } from "../../access/current-access.js";
import {
  agentOfBranch,
  applyPush,
  type PushedRef,
  type WorkspaceDeps,
} from "../workspaces/index.js";
import { objectionsTo, ownerOf } from "./push-rules.js";

export interface PushContext {
  orgId: string;
  projectId: string;
  repoPath: string;
  actor: Actor;
  ip: string;
  requestId: string;
  log: Logger;
  /** The references that the caller may read; null for all. */
  visible: readonly string[] | null;
  maxBytes: number;
  signal: AbortSignal;
}

const serverFailed =
  "the server failed on this push; try again, and have whoever runs it look into its log";

/**
 * Takes a push: its objects into a quarantine, where they are checked; then each reference that the
 * rules allow moves. Nothing of a push that is refused enters the store.
 */
export async function receivePush(
  deps: WorkspaceDeps,
  context: PushContext,
  request: PushRequest,
): Promise<PushReport> {
  const { commands } = request;
  const refusals = new Map<string, string>();
  const answer = (unpack: string | null): PushReport => ({
    unpack,
    refs: commands.map(({ ref }) => ({
      ref,
      refusal: refusals.get(ref) ?? (unpack === null ? null : "the objects were not taken"),
    })),
  });
  try {
    const wanted = await allowedOf(deps, context, commands, refusals);
    const isRefused = request.atomic && refusals.size > 0;
    if (wanted.length === 0 || isRefused) {
      refuseRest(refusals, commands);
      await readToEnd(request.pack);
      return answer(null);
    }
    const quarantine = await Quarantine.open(context.repoPath);
    try {
      const isNarrow = context.visible !== null;
      const { maxBytes, signal } = context;
      await quarantine.receive(request.pack, { isAlone: isNarrow, maxBytes, signal });
      await landReceived(deps, context, request, wanted, quarantine, refusals);
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

/** The client listens when it has sent all; until then its connection would stay open, also for a stop. */
async function readToEnd(pack: AsyncGenerator<Buffer>): Promise<void> {
  for await (const _chunk of pack);
}

function refuseRest(refusals: Map<string, string>, commands: readonly PushCommand[]): void {
  for (const { ref } of commands) {
    if (!refusals.has(ref)) {
      refusals.set(ref, "not moved, since another reference of this atomic push was refused");
    }
  }
}

/** What the rules allow, before any object is looked at. */
async function allowedOf(
  { db }: WorkspaceDeps,
  { orgId, projectId, actor }: PushContext,
  commands: readonly PushCommand[],
  refusals: Map<string, string>,
): Promise<PushedRef[]> {
  const wanted: PushedRef[] = [];
  const seen = new Set<string>();
  for (const command of commands) {
    const { ref, from, to } = command;
    if (commands.length > MAX_COMMANDS) {
      refusals.set(ref, `push at most ${MAX_COMMANDS} references at once`);
    } else if (seen.has(ref)) {
      refusals.set(ref, "it is named twice");
    } else {
      const owner = await ownerOf(command, actor, (branch) =>
        agentOfBranch(db, orgId, projectId, branch),
      );
      if ("refusal" in owner) refusals.set(ref, owner.refusal);
      else if (to !== null) wanted.push({ ref, from, to, agentId: owner.agentId });
    }
    seen.add(ref);
  }
  return wanted.filter(({ ref }) => !refusals.has(ref));
}

/** Checks the objects and what the references would be moved over, then moves those that may be. */
async function landReceived(
  deps: WorkspaceDeps,
  context: PushContext,
  request: PushRequest,
  wanted: readonly PushedRef[],
  quarantine: Quarantine,
  refusals: Map<string, string>,
): Promise<void> {
  const { orgId, projectId, repoPath, actor, ip, requestId, visible, signal } = context;
  const refs = await listRefs(repoPath, "refs/");
  refuseTooMany(refs, wanted);
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
  for (const [ref, refusal] of await objectionsTo(quarantine.path, wanted, refs)) {
    refusals.set(ref, refusal);
  }
  await refuseLeaks(deps, context, wanted, all, quarantine);
  const moving = wanted.filter(({ ref }) => !refusals.has(ref));
  if (moving.length === 0) return;
  if (request.atomic && refusals.size > 0) return refuseRest(refusals, request.commands);
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

/** @throws PackRefusedError where the repository would get more branches and tags than it may have */
function refuseTooMany(refs: readonly { ref: string }[], wanted: readonly PushedRef[]): void {
  const isPublic = ({ ref }: { ref: string }): boolean => /^refs\/(?:heads|tags)\//.test(ref);
  const added = wanted.filter(({ from }) => from === null).length;
  if (added === 0 || refs.filter(isPublic).length + added <= MAX_REFS) return;
  throw new PackRefusedError(`the repository may have ${MAX_REFS} branches and tags; push fewer`);
}

/** The push's own transactions, each judged as the request was at its start. */
function writesOf(
  { db }: WorkspaceDeps,
  { orgId, actor, ip, requestId }: PushContext,
): JudgedWrites {
  return judgedWrites(db, {
    actor,
    ip,
    requestId,
    orgId,
    permission: "project:git:write",
    whenArchived: false,
    absent: notFound,
  });
}

/** @throws PackRefusedError where a file or message that is new holds an API key that works */
async function refuseLeaks(
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
    `${JSON.stringify(leak.path)}, line ${leak.line}, holds an API key that works; revoke the key, or take it out of the commits`,
  );
}
