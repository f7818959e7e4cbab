import { type ReactElement, startTransition, useEffect, useMemo, useState } from "react";
import { loadPart } from "../../../../hooks/connection.js";
import { visibleLines } from "../../../../ui/text/plain-text.js";
import type { DiffMode } from "./diff-mode.js";
import type { DiffViewer } from "./diff-viewer.js";
import { useWhileNear } from "./lazy-render.js";
import type { LineExtension } from "./line-extension.js";
import { heightOf, piecesOf } from "./patch-pieces.js";
import { numberedLines, parsePatch } from "./patches/hunks.js";

interface PatchViewProps {
  /** Determines the language. */
  path: string;
  oldPath?: string | null;
  patch: string;
  mode: DiffMode;
  extension?: LineExtension | undefined;
  /** Whether the heads of hunks are left out; the part around shows what lies between them. */
  isWithoutHeads?: boolean;
}

/** Lines of a piece. */
const maxLines = 400;
const wantedLines = 40;

/** Renders a patch piece by piece as it approaches the viewport; until then as plain text. */
export function PatchView(props: PatchViewProps): ReactElement {
  const { patch } = props;
  const isHeadless = props.isWithoutHeads === true;
  // Small pieces are drawn within a frame; with their heads, they would look like hunks.
  const pieces = useMemo(
    () => (isHeadless ? piecesOf(patch, maxLines, wantedLines) : piecesOf(patch, maxLines)),
    [patch, isHeadless],
  );
  return (
    <>
      {pieces.map((piece, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the pieces of a patch never move
        <Piece key={index} {...props} patch={piece} />
      ))}
    </>
  );
}

/** The first and last line of a piece on each side, so that it is found before it is drawn. */
function linesOf(patch: string): { "data-old": string; "data-new": string } {
  const lines = parsePatch(patch).hunks.flatMap(numberedLines);
  const span = (side: "oldLine" | "newLine"): string => {
    const numbers = lines.flatMap((line) => line[side] ?? []);
    return `${numbers[0] ?? 0}-${numbers.at(-1) ?? 0}`;
  };
  return { "data-old": span("oldLine"), "data-new": span("newLine") };
}

let Viewer: typeof DiffViewer | undefined;

function Piece({
  path,
  oldPath,
  patch,
  mode,
  extension,
  isWithoutHeads = false,
}: PatchViewProps): ReactElement {
  // Texts that are being written below a line must not get lost.
  const hasContent = useMemo(() => hasExtension(patch, extension), [patch, extension]);
  const [place, isNear, height] = useWhileNear<HTMLDivElement>(hasContent);
  const isLoaded = useLoadedViewer(isNear);
  const lines = useMemo(() => (isWithoutHeads ? linesOf(patch) : {}), [patch, isWithoutHeads]);
  return (
    <div ref={place} {...(isWithoutHeads && { "data-headless": "", ...lines })}>
      {isNear && isLoaded && Viewer ? (
        <Viewer
          path={path}
          oldPath={oldPath ?? path}
          patch={patch}
          mode={mode}
          extension={extension}
        />
      ) : (
        <PlainPatch patch={patch} mode={mode} isWithoutHeads={isWithoutHeads} height={height} />
      )}
    </div>
  );
}

/**
 * Loads the viewer and its grammars, by far the largest part of the app, once a diff is near the
 * viewport. `lazy` would re-render the plain text meanwhile and show none if loading failed.
 */
function useLoadedViewer(isWanted: boolean): boolean {
  const [isLoaded, setLoaded] = useState(false);
  useEffect(() => {
    if (!isWanted) return undefined;
    let isGone = false;
    const load = async (): Promise<void> => {
      Viewer ??= (await loadPart(() => import("./diff-viewer.js"))).DiffViewer;
      if (!isGone) startTransition(() => setLoaded(true));
    };
    // The plain text has the same content.
    load().catch(() => {});
    return () => {
      isGone = true;
    };
  }, [isWanted]);
  return isLoaded;
}

function hasExtension(patch: string, extension: LineExtension | undefined): boolean {
  if (!extension || extension.old.size + extension.new.size === 0) return false;
  return parsePatch(patch)
    .hunks.flatMap(numberedLines)
    .some(
      ({ oldLine, newLine }) =>
        (oldLine !== null && extension.old.has(oldLine)) ||
        (newLine !== null && extension.new.has(newLine)),
    );
}

/** Has the viewer's height, unless lines wrap that were never drawn. Cheap: painted only when visible. */
function PlainPatch({
  patch,
  mode,
  isWithoutHeads,
  height,
}: {
  patch: string;
  mode: DiffMode;
  isWithoutHeads: boolean;
  /** When it was drawn last. */
  height: number | undefined;
}): ReactElement {
  const hunks = patch.slice(patch.indexOf("@@ "));
  const text = visibleLines(isWithoutHeads ? hunks.replaceAll(/^@@ .*\n/gm, "") : hunks);
  return (
    <pre
      className="overflow-hidden px-3 font-mono text-xs leading-[1.6] [overflow-wrap:anywhere] whitespace-pre-wrap text-muted [content-visibility:auto]"
      style={{ height: height ?? heightOf(patch, mode, isWithoutHeads) }}
    >
      {text}
    </pre>
  );
}
