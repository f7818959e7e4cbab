import { DiffModeEnum, DiffView } from "@git-diff-view/react";
import "@git-diff-view/react/styles/diff-view-pure.css";
import "./diff-viewer.css";
import { type ReactElement, useMemo, useSyncExternalStore } from "react";
import type { DiffFile } from "#shared/api/workspaces.js";
import { visibleLines } from "../../ui/plain-text.js";

export type DiffMode = "unified" | "split";

/** Highlighting more than this would hold the page up. */
const highlightedCharacters = 200_000;

const darkQuery = matchMedia("(prefers-color-scheme: dark)");

function useIsDark(): boolean {
  return useSyncExternalStore(
    (listener) => {
      darkQuery.addEventListener("change", listener);
      return () => darkQuery.removeEventListener("change", listener);
    },
    () => darkQuery.matches,
  );
}

interface DiffViewerProps {
  file: DiffFile;
  patch: string;
  mode: DiffMode;
}

/** The lines of one file, with its language's colours; what is invisible in them is written out. */
export function DiffViewer({ file, patch, mode }: DiffViewerProps): ReactElement {
  const isDark = useIsDark();
  const data = useMemo(
    () => ({
      oldFile: { fileName: file.old_path ?? file.path },
      newFile: { fileName: file.path },
      hunks: [visibleLines(patch)],
    }),
    [file, patch],
  );
  return (
    <DiffView
      data={data}
      diffViewMode={mode === "split" ? DiffModeEnum.Split : DiffModeEnum.Unified}
      diffViewTheme={isDark ? "dark" : "light"}
      diffViewHighlight={patch.length <= highlightedCharacters}
      diffViewWrap
      diffViewFontSize={12}
    />
  );
}
