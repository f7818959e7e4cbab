import { type ReactElement, useMemo, useState } from "react";
import { flushSync } from "react-dom";
import type { Diff, DiffFile } from "#shared/api/code/commits.js";
import { usePersistedState } from "../../../../hooks/use-persisted-state.js";
import { useEventCallback } from "../../../../hooks/use-event-callback.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { controlClass } from "../../../../ui/fields/field.js";
import { countOf } from "../../../../ui/text/number.js";
import { useAfterFirstPaint } from "../../../../ui/layout/deferred-render.js";
import { Segments } from "../../../../ui/fields/radio.js";
import { ShortcutHelp, useShortcuts } from "../../../../ui/overlays/shortcuts.js";
import { DiffFileSection } from "./diff-file-section.js";
import { diffModes, useDiffMode } from "./diff-mode.js";
import { FileTreeNav } from "./files/file-tree-nav.js";
import { LineCounts } from "./files/file-status.js";
import { adjacentSection, goToSection } from "./sections.js";

interface DiffBrowserProps {
  diff: Diff;
  /** Participle for the file count, such as "changed". */
  verb: string;
  /** Storage key of the files marked as viewed; without it, files cannot be marked. */
  viewedAs?: string;
  /** Within half a page there is no room for the tree beside the files, nor for two columns of code. */
  isNarrow?: boolean;
}

const isTexts = (stored: unknown): boolean => Array.isArray(stored);

/** A diff with a file tree, a section per file, and shortcuts to move between files. */
export function DiffBrowser({
  diff,
  verb,
  viewedAs,
  isNarrow = false,
}: DiffBrowserProps): ReactElement {
  const [chosenMode, setMode] = useDiffMode();
  const mode = isNarrow ? "unified" : chosenMode;
  const [filter, setFilter] = useState("");
  const [viewed, setViewed] = usePersistedState<string[]>(
    "session",
    `viewed ${viewedAs ?? ""}`,
    [],
    isTexts,
  );
  const [closed, setClosed] = useState<ReadonlySet<string>>(() => new Set(viewed));
  // Paths are arbitrary bytes, so element ids use the file's index.
  const places = useMemo(() => new Map(diff.files.map((file, at) => [file, `file-${at}`])), [diff]);
  const idOf = (file: DiffFile): string => places.get(file) ?? "";
  const files = useMemo(() => {
    const wanted = filter.trim().toLowerCase();
    return diff.files.filter((file) => file.path.toLowerCase().includes(wanted));
  }, [diff, filter]);
  const ids = files.map(idOf);
  const setOpen = (paths: readonly string[], isOpen: boolean): void =>
    setClosed((before) => {
      const next = new Set(before);
      for (const path of paths)
        if (isOpen) next.delete(path);
        else next.add(path);
      return next;
    });
  const ticked = useMemo(() => new Set(viewed), [viewed]);
  const openFile = useEventCallback(({ path }: DiffFile, isOpen: boolean) =>
    setOpen([path], isOpen),
  );
  const tickFile = useEventCallback(({ path }: DiffFile, isViewed: boolean) => {
    setViewed(isViewed ? [...viewed, path] : viewed.filter((other) => other !== path));
    setOpen([path], !isViewed);
  });
  const [isTime, hurry] = useAfterFirstPaint();
  const lead = (to: () => string | undefined): void => {
    // The target may not be rendered yet.
    flushSync(hurry);
    goToSection(to());
  };
  const step = (by: 1 | -1): void => lead(() => ids[adjacentSection(ids, by) ?? -1]);
  const current = (): DiffFile | undefined => {
    const focused = document.activeElement?.closest("section[id^=file-]")?.id;
    return files[ids.indexOf(focused ?? "")];
  };
  useShortcuts("Files", [
    { key: "n", what: "Next file", run: () => step(1) },
    { key: "p", what: "Previous file", run: () => step(-1) },
    {
      key: "x",
      what: "Collapse or expand the file",
      run: () => {
        const file = current();
        if (file) setOpen([file.path], closed.has(file.path));
      },
    },
  ]);
  const section = (file: DiffFile): ReactElement => (
    <DiffFileSection
      key={file.path}
      id={idOf(file)}
      file={file}
      mode={mode}
      isOpen={!closed.has(file.path)}
      onOpen={openFile}
      isViewed={viewedAs === undefined ? undefined : ticked.has(file.path)}
      onViewed={tickFile}
    />
  );
  const isAllClosed = files.every((file) => closed.has(file.path));
  const listed = diff.files.length;
  return (
    <>
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 className="flex flex-wrap items-baseline gap-x-3 text-base font-semibold">
          {countOf(diff.stats.files_changed, "file")} {verb}
          <LineCounts additions={diff.stats.additions} deletions={diff.stats.deletions} />
          {viewedAs !== undefined && viewed.length > 0 && (
            <span className="text-[13px] font-normal text-muted">{viewed.length} viewed</span>
          )}
        </h2>
        <div className="flex flex-wrap items-center gap-2">
          <Button
            size="sm"
            onClick={() =>
              setOpen(
                files.map(({ path }) => path),
                isAllClosed,
              )
            }
          >
            {isAllClosed ? "Expand all" : "Collapse all"}
          </Button>
          {!isNarrow && (
            <Segments
              legend="Diff view"
              hideLegend
              value={mode}
              onChange={setMode}
              options={diffModes}
            />
          )}
          <ShortcutHelp />
        </div>
      </div>
      {listed < diff.stats.files_changed && (
        <Alert tone="warn">
          Only the first {countOf(listed, "file")} are listed; fetch the branch to see all of them.
        </Alert>
      )}
      <div
        className={`grid items-start gap-4 ${isNarrow ? "" : "xl:grid-cols-[18rem_minmax(0,1fr)]"}`}
      >
        <div
          className={`flex flex-col gap-2 ${isNarrow ? "" : "xl:sticky xl:top-18"}`}
          hidden={isNarrow && diff.files.length < 4}
        >
          <input
            type="search"
            aria-label="Filter files by path"
            placeholder="Filter files"
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
            className={`${controlClass} h-9`}
          />
          <FileTreeNav files={files} onChoose={(file) => lead(() => idOf(file))} />
        </div>
        <div data-long="" className="flex min-w-0 flex-col gap-4">
          {(isTime ? files : fillingScreen(files, closed)).map(section)}
        </div>
      </div>
    </>
  );
}

/** Minimum height of a file, in pixels: its header and gap; then of a line. */
const headerHeight = 58;
const lineHeight = 19;

/** The first files that fill the screen. */
export function fillingScreen<File extends DiffFile>(
  files: readonly File[],
  closed: ReadonlySet<string>,
): File[] {
  let height = 0;
  return files.filter(({ path, additions, deletions }) => {
    const isShown = height < innerHeight;
    // In split mode, removed and added lines share rows.
    height +=
      headerHeight + (closed.has(path) ? 0 : Math.max(additions ?? 0, deletions ?? 0) * lineHeight);
    return isShown;
  });
}
