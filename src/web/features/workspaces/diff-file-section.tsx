import {
  lazy,
  type ReactElement,
  type ReactNode,
  Suspense,
  useEffect,
  useRef,
  useState,
} from "react";
import type { DiffFile } from "#shared/api/workspaces.js";
import { Alert } from "../../ui/alert.js";
import { Button, IconButton } from "../../ui/button.js";
import { CopyIcon } from "../../ui/copy-button.js";
import { countOf } from "../../ui/number.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { Skeleton } from "../../ui/states.js";
import type { DiffMode } from "./diff-viewer.js";
import { FileStatus, LineCounts } from "./file-status.js";

/** The viewer and its grammars are by far the biggest part of the app: loaded only where a diff is. */
const DiffViewer = lazy(async () => ({ default: (await import("./diff-viewer.js")).DiffViewer }));

/** More changed lines than that are shown when asked for. */
const manyLines = 1500;

interface DiffFileSectionProps {
  id: string;
  file: DiffFile;
  mode: DiffMode;
}

export function DiffFileSection({ id, file, mode }: DiffFileSectionProps): ReactElement {
  const [isOpen, setOpen] = useState(true);
  return (
    <section
      id={id}
      tabIndex={-1}
      aria-label={visible(file.path)}
      className="min-w-0 scroll-mt-18 overflow-clip rounded-lg border border-line bg-surface"
    >
      <header className="sticky top-14 z-10 flex items-center gap-1 border-b border-line bg-surface py-1 pr-3 pl-1">
        <IconButton
          label={isOpen ? "Collapse file" : "Expand file"}
          icon={isOpen ? "chevronDown" : "chevronRight"}
          aria-expanded={isOpen}
          onClick={() => setOpen(!isOpen)}
        />
        <h3 className="min-w-0 font-mono text-[13px]">
          {file.old_path !== null && file.old_path !== file.path && (
            <>
              <PlainText value={file.old_path} className="text-muted" />{" "}
              <span aria-label="renamed to">→</span>{" "}
            </>
          )}
          <PlainText value={file.path} />
        </h3>
        <CopyIcon text={file.path} label="Copy path" />
        <span className="ml-auto flex items-center gap-3 pl-2">
          {!file.binary && <LineCounts additions={file.additions} deletions={file.deletions} />}
          <FileStatus status={file.status} />
        </span>
      </header>
      {isOpen && <FileBody file={file} mode={mode} />}
    </section>
  );
}

function FileBody({ file, mode }: Omit<DiffFileSectionProps, "id">): ReactElement {
  const lines = (file.additions ?? 0) + (file.deletions ?? 0);
  const [isWanted, setWanted] = useState(lines <= manyLines);
  const note = noteOf(file);
  const hasHunks = file.patch !== null && /^@@ /m.test(file.patch);
  return (
    <>
      {note !== null && (
        <div className="p-3">
          <Alert tone={file.truncated ? "warn" : "info"}>{note}</Alert>
        </div>
      )}
      {hasHunks &&
        file.patch !== null &&
        (isWanted ? (
          <WhenNear rows={lines}>
            <Suspense
              fallback={
                <div className="p-3">
                  <Skeleton rows={1} />
                </div>
              }
            >
              <DiffViewer file={file} patch={file.patch} mode={mode} />
            </Suspense>
          </WhenNear>
        ) : (
          <div className="flex flex-wrap items-center gap-3 p-4 text-muted">
            {countOf(lines, "line")} changed; not shown at once.
            <Button size="sm" onClick={() => setWanted(true)}>
              Show diff
            </Button>
          </div>
        ))}
    </>
  );
}

/** What the lines do not say: a binary file, a cut, a mode, a mere rename. */
function noteOf(file: DiffFile): ReactNode {
  const isOnBothSides = file.status !== "added" && file.status !== "deleted";
  const modes =
    isOnBothSides &&
    file.old_mode !== null &&
    file.new_mode !== null &&
    file.old_mode !== file.new_mode
      ? `Mode changed from ${file.old_mode} to ${file.new_mode}. `
      : "";
  if (file.binary) return `${modes}Binary file: its contents are not shown.`;
  if (file.truncated)
    return `${modes}This file is big: the diff is cut here. Fetch the branch to see all of it.`;
  if (file.patch === null || !/^@@ /m.test(file.patch)) {
    return `${modes}${file.status === "renamed" ? "Renamed without changes." : "No lines changed."}`;
  }
  return modes === "" ? null : modes.trim();
}

/** Draws its children once they come near the screen, so that a commit of many files opens at once. */
function WhenNear({ rows, children }: { rows: number; children: ReactNode }): ReactElement {
  const place = useRef<HTMLDivElement>(null);
  const [isNear, setNear] = useState(false);
  useEffect(() => {
    if (place.current === null || isNear) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (entry?.isIntersecting) setNear(true);
      },
      { rootMargin: "800px" },
    );
    observer.observe(place.current);
    return () => observer.disconnect();
  }, [isNear]);
  return (
    <div
      ref={place}
      style={isNear ? undefined : { minHeight: `${Math.min(rows, 60) * 20 + 40}px` }}
    >
      {isNear && children}
    </div>
  );
}
