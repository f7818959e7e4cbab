import { DiffModeEnum, DiffView, disableCache } from "@git-diff-view/react";
import "@git-diff-view/react/styles/diff-view-pure.css";
import "./diff-viewer.css";
import "./selection-style.js";
import { type ReactElement, useMemo } from "react";
import { useIsDark } from "../../hooks/theme.js";
import { visibleLines } from "../../ui/text/plain-text.js";
import type { DiffMode } from "./diff-mode.js";

// The viewer caches files by text and clears them when a view unmounts, so the next view would lose its
// colors.
disableCache();

/** Highlighting a longer text would block the page; characters. */
const maxHighlightedLength = 100_000;

interface DiffViewerProps {
  path: string;
  oldPath: string;
  patch: string;
  mode: DiffMode;
}

/** Renders a patch with syntax highlighting; invisible characters are written out. */
export function DiffViewer({ path, oldPath, patch, mode }: DiffViewerProps): ReactElement {
  const isDark = useIsDark();
  const data = useMemo(
    () => ({
      oldFile: { fileName: oldPath },
      newFile: { fileName: path },
      hunks: [visibleLines(patch)],
    }),
    [path, oldPath, patch],
  );
  return (
    <DiffView
      data={data}
      diffViewMode={mode === "split" ? DiffModeEnum.Split : DiffModeEnum.Unified}
      diffViewTheme={isDark ? "dark" : "light"}
      diffViewHighlight={patch.length <= maxHighlightedLength}
      diffViewWrap
      diffViewFontSize={12}
    />
  );
}
