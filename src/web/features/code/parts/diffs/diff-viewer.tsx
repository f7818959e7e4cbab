import { DiffModeEnum, DiffView, disableCache, SplitSide } from "@git-diff-view/react";
import "@git-diff-view/react/styles/diff-view-pure.css";
import "./diff-viewer.css";
import "./selection-style.js";
import { type ReactElement, useMemo } from "react";
import { useIsDark } from "../../../../hooks/theme.js";
import { visibleLines } from "../../../../ui/text/plain-text.js";
import type { DiffMode } from "./diff-mode.js";
import type { LineExtension } from "./line-extension.js";
import { numberedLines, parsePatch } from "./patches/hunks.js";

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
  extension?: LineExtension | undefined;
}

/** Renders a patch with syntax highlighting; invisible characters are written out. */
export function DiffViewer({
  path,
  oldPath,
  patch,
  mode,
  extension,
}: DiffViewerProps): ReactElement {
  const isDark = useIsDark();
  const data = useMemo(
    () => ({
      oldFile: { fileName: oldPath },
      newFile: { fileName: path },
      hunks: [visibleLines(patch)],
    }),
    [path, oldPath, patch],
  );
  const extendData = useMemo(
    () => extension && extendedLines(patch, extension),
    [patch, extension],
  );
  const render = extension?.render;
  const renderExtendLine = useMemo(
    () =>
      render &&
      (({ side, lineNumber }: { side: SplitSide; lineNumber: number }) =>
        render(side === SplitSide.old ? "old" : "new", lineNumber)),
    [render],
  );
  return (
    <DiffView
      data={data}
      diffViewMode={mode === "split" ? DiffModeEnum.Split : DiffModeEnum.Unified}
      diffViewTheme={isDark ? "dark" : "light"}
      diffViewHighlight={patch.length <= maxHighlightedLength}
      diffViewWrap
      diffViewFontSize={12}
      {...(extendData && { extendData })}
      {...(renderExtendLine && { renderExtendLine })}
    />
  );
}

type Extended = Record<string, { data: true }>;

/** The lines of a piece that have content below them, as the viewer wants them. */
function extendedLines(
  patch: string,
  extension: LineExtension,
): { oldFile: Extended; newFile: Extended } {
  const oldFile: Extended = {};
  const newFile: Extended = {};
  if (extension.old.size + extension.new.size > 0)
    for (const { oldLine, newLine } of parsePatch(patch).hunks.flatMap(numberedLines)) {
      if (oldLine !== null && extension.old.has(oldLine)) oldFile[oldLine] = { data: true };
      if (newLine !== null && extension.new.has(newLine)) newFile[newLine] = { data: true };
    }
  return { oldFile, newFile };
}
