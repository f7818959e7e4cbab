import { lazy, type ReactElement, Suspense, useMemo } from "react";
import { visibleLines } from "../../ui/plain-text.js";
import type { DiffMode } from "./diff-mode.js";
import { WhenNear } from "./near.js";
import { heightOf, piecesOf } from "./patch-pieces.js";

/** The viewer and its grammars are by far the biggest part of the app: loaded only where a diff is. */
const DiffViewer = lazy(async () => ({ default: (await import("./diff-viewer.js")).DiffViewer }));

interface PatchViewProps {
  /** What the language is told from. */
  path: string;
  oldPath?: string | null;
  patch: string;
  mode: DiffMode;
}

/** A patch, a piece at a time as it comes near; until then, as plain text. */
export function PatchView({ path, oldPath, patch, mode }: PatchViewProps): ReactElement {
  const pieces = useMemo(() => piecesOf(patch), [patch]);
  return (
    <>
      {pieces.map((piece, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the pieces of one patch never move
        <WhenNear key={index} instead={<PlainPatch patch={piece} mode={mode} />}>
          <Suspense fallback={<PlainPatch patch={piece} mode={mode} />}>
            <DiffViewer path={path} oldPath={oldPath ?? path} patch={piece} mode={mode} />
          </Suspense>
        </WhenNear>
      ))}
    </>
  );
}

/** Of the viewer's height, where no line is so long that it wraps, and cheap: drawn only where it is seen. */
function PlainPatch({ patch, mode }: { patch: string; mode: DiffMode }): ReactElement {
  const text = visibleLines(patch.slice(patch.indexOf("@@ ")));
  return (
    <pre
      className="overflow-hidden px-3 font-mono text-xs leading-[1.6] break-all whitespace-pre-wrap text-muted [content-visibility:auto]"
      style={{ height: heightOf(patch, mode) }}
    >
      {text}
    </pre>
  );
}
