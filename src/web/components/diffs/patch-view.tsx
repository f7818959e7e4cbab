import { type ReactElement, startTransition, useEffect, useMemo, useState } from "react";
import { loadPart } from "../../hooks/connection.js";
import { visibleLines } from "../../ui/plain-text.js";
import type { DiffMode } from "./diff-mode.js";
import type { DiffViewer } from "./diff-viewer.js";
import { useNearViewport } from "./lazy-render.js";
import { heightOf, piecesOf } from "./patch-pieces.js";

interface PatchViewProps {
  /** What the language is told from. */
  path: string;
  oldPath?: string | null;
  patch: string;
  mode: DiffMode;
}

/** A patch, a piece at a time as it comes near; until then, as plain text. */
export function PatchView(props: PatchViewProps): ReactElement {
  const { patch } = props;
  const pieces = useMemo(() => piecesOf(patch), [patch]);
  return (
    <>
      {pieces.map((piece, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the pieces of one patch never move
        <Piece key={index} {...props} patch={piece} />
      ))}
    </>
  );
}

let Viewer: typeof DiffViewer | undefined;

function Piece({ path, oldPath, patch, mode }: PatchViewProps): ReactElement {
  const [place, isNear] = useNearViewport<HTMLDivElement>();
  const isLoaded = useLoadedViewer(isNear);
  return (
    <div ref={place}>
      {isLoaded && Viewer ? (
        <Viewer path={path} oldPath={oldPath ?? path} patch={patch} mode={mode} />
      ) : (
        <PlainPatch patch={patch} mode={mode} />
      )}
    </div>
  );
}

/**
 * Loads the viewer and its grammars, by far the biggest part of the app, once a diff is near. Not by
 * `lazy`, which would draw the plain text anew while it waits, and a failure of which would leave none.
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
    // The plain text says all that the viewer would.
    load().catch(() => {});
    return () => {
      isGone = true;
    };
  }, [isWanted]);
  return isLoaded;
}

/** Of the viewer's height, where no line is so long that it wraps, and cheap: drawn only where it is seen. */
function PlainPatch({ patch, mode }: { patch: string; mode: DiffMode }): ReactElement {
  const text = visibleLines(patch.slice(patch.indexOf("@@ ")));
  return (
    <pre
      className="overflow-hidden px-3 font-mono text-xs leading-[1.6] [overflow-wrap:anywhere] whitespace-pre-wrap text-muted [content-visibility:auto]"
      style={{ height: heightOf(patch, mode) }}
    >
      {text}
    </pre>
  );
}
