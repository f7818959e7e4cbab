import { type ReactElement, startTransition, useEffect, useMemo, useState } from "react";
import { loadPart } from "../../hooks/connection.js";
import { visibleLines } from "../../ui/text/plain-text.js";
import type { DiffMode } from "./diff-mode.js";
import type { DiffViewer } from "./diff-viewer.js";
import { useNearViewport } from "./lazy-render.js";
import { heightOf, piecesOf } from "./patch-pieces.js";

interface PatchViewProps {
  /** Determines the language. */
  path: string;
  oldPath?: string | null;
  patch: string;
  mode: DiffMode;
}

/** Renders a patch piece by piece as it approaches the viewport; until then as plain text. */
export function PatchView(props: PatchViewProps): ReactElement {
  const { patch } = props;
  const pieces = useMemo(() => piecesOf(patch), [patch]);
  return (
    <>
      {pieces.map((piece, index) => (
        // oxlint-disable-next-line react/no-array-index-key -- the pieces of a patch never move
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

/** Has the viewer's height unless lines wrap. Cheap: painted only when visible. */
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
