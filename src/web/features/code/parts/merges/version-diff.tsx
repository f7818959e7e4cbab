import type { ReactElement, ReactNode } from "react";
import type { FileVersion } from "#shared/api/code/merges.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import type { DiffMode } from "../diffs/diff-mode.js";
import { modeLabel } from "../diffs/files/file-mode.js";
import { LazyRender } from "../diffs/lazy-render.js";
import { TextDiff } from "../diffs/text-diff-view.js";
import { pairVersions, type VersionPair } from "./versions.js";

interface VersionDiffProps {
  target: readonly FileVersion[];
  source: readonly FileVersion[];
  /** Names of the sides, as column headings. */
  names: { target: ReactNode; source: ReactNode };
  mode: DiffMode;
  /** The winning side; null if neither won or the conflict is unresolved. */
  winner: "target" | "source" | null;
}

/** Both versions of a conflict: the target's on the left, the source's on the right. */
export function VersionDiff({
  target,
  source,
  names,
  mode,
  winner,
}: VersionDiffProps): ReactElement {
  return (
    <div data-winner={winner ?? ""} className="overflow-clip rounded-md border border-line">
      <div
        className={`grid border-b border-line bg-sunken text-[13px] ${mode === "split" ? "grid-cols-2 divide-x divide-line" : ""}`}
      >
        <div className="flex min-w-0 flex-wrap items-center gap-x-2 px-3 py-1.5">
          {mode === "unified" && <Sign isWinner={winner === "target"}>−</Sign>}
          {names.target}
        </div>
        <div className="flex min-w-0 flex-wrap items-center gap-x-2 px-3 py-1.5">
          {mode === "unified" && <Sign isWinner={winner === "source"}>+</Sign>}
          {names.source}
        </div>
      </div>
      {pairVersions(target, source).map((pair) => (
        <Pair key={(pair.target ?? pair.source)?.path} pair={pair} mode={mode} />
      ))}
    </div>
  );
}

function Sign({ isWinner, children }: { isWinner: boolean; children: string }): ReactElement {
  return (
    <span aria-hidden="true" className={`font-mono ${isWinner ? "text-good" : "text-muted"}`}>
      {children}
    </span>
  );
}

function Pair({ pair, mode }: { pair: VersionPair; mode: DiffMode }): ReactElement {
  const { target, source } = pair;
  const path = (source ?? target)?.path ?? "";
  return (
    <div className="min-w-0 border-t border-line first:border-t-0">
      {!isPlain(pair) && (
        <div className="grid gap-x-3 border-b border-line px-3 py-1.5 text-[13px] text-muted sm:grid-cols-2">
          <VersionLine version={target} />
          <VersionLine version={source} />
        </div>
      )}
      {/* Not a loading state: content below would wait for it. */}
      <LazyRender instead={<div className="h-24" />}>
        <TextDiff
          path={path}
          before={target?.text ?? null}
          after={source?.text ?? null}
          mode={mode}
        />
      </LazyRender>
    </div>
  );
}

/** Whether the text has all the information: the same path, and regular files that can be shown. */
function isPlain({ target, source }: VersionPair): boolean {
  return (
    target?.text != null &&
    source?.text != null &&
    target.path === source.path &&
    [target, source].every(({ mode }) => mode === "100644")
  );
}

/** Describes one side's version, if it is more than its text. */
function VersionLine({ version }: { version: FileVersion | null }): ReactElement {
  if (version === null) return <span>No file</span>;
  const { path, mode, oid, omitted } = version;
  return (
    <span className="min-w-0">
      <PlainText value={path} className="font-mono" /> · {modeLabel(mode)}
      {omitted === "binary" && `, binary ${oid.slice(0, 12)}`}
      {omitted === "big" && ", too big to show here"}
      {omitted === "submodule" && ` at ${oid.slice(0, 12)}`}
    </span>
  );
}
