import { type ReactElement, useState } from "react";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Button } from "../../../../ui/actions/button.js";
import { CodeEditor } from "../../../../ui/fields/code-editor.js";
import { visible, visibleLines } from "../../../../ui/text/plain-text.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { type Conflict, type DraftChoice, hasMarkers, textWithMarkers } from "./decisions.js";
import { isEditable, lineEndOf, withLineEnds } from "../../parts/merges/versions.js";

interface ContentEditorProps {
  conflict: Conflict;
  /** The current decision, with the edited content. */
  choice: DraftChoice;
  onChange: (choice: DraftChoice) => void;
}

/**
 * Returns the initial content: git's merged text with the hunks chosen so far, or else the version of a
 * side that is text; undefined if neither is.
 */
export function contentToEdit(
  { source, target, merged }: Conflict,
  choice?: DraftChoice,
): DraftChoice | undefined {
  if (merged) return { path: merged.path, content: textWithMarkers(merged, choice?.hunks) };
  const version = [...source, ...target].find(isEditable);
  return version && { path: version.path, content: version.text ?? "" };
}

/** Edits content that replaces both versions. */
export function ContentEditor({ conflict, choice, onChange }: ContentEditorProps): ReactElement {
  const { path, content = "" } = choice;
  // A text field converts all line endings to LF: restore those of the file.
  const [lineEnd] = useState(() => lineEndOf(content));
  const hasHidden = visibleLines(content) !== content;
  const startFrom = (side: "source" | "target"): void => {
    const version =
      conflict[side].find((version) => version.path === path && isEditable(version)) ??
      conflict[side].find(isEditable);
    if (version) onChange({ path, content: version.text ?? "" });
  };
  return (
    <div className="flex flex-col gap-3">
      <div className="flex flex-wrap items-end gap-2">
        {conflict.paths.length > 1 && (
          <SelectField
            label="Path of the file"
            value={path}
            options={conflict.paths.map((path) => ({ value: path, label: visible(path) }))}
            onChange={(next) => onChange({ path: next, content })}
          />
        )}
        {conflict.merged && (
          <Button
            size="sm"
            onClick={() => {
              const merged = contentToEdit(conflict);
              if (merged) onChange(merged);
            }}
          >
            Start from the merged text
          </Button>
        )}
        {(["target", "source"] as const).map(
          (side) =>
            conflict[side].some(isEditable) && (
              <Button key={side} size="sm" onClick={() => startFrom(side)}>
                Start from {side}
              </Button>
            ),
        )}
      </div>
      <CodeEditor
        label={`Content of ${visible(path)}`}
        value={content.replaceAll("\r\n", "\n")}
        onChange={(typed) => onChange({ path, content: withLineEnds(typed, lineEnd) })}
        hint={`Takes the place of both versions. Lines end with ${lineEnd === "\n" ? "LF" : "CRLF"}.`}
      />
      {hasMarkers(content) && (
        <Alert tone="warn">
          Conflict markers are left. Keep the lines that you want, and delete the lines that begin
          with &lt;&lt;&lt;&lt;&lt;&lt;&lt;, ======= and &gt;&gt;&gt;&gt;&gt;&gt;&gt;.
        </Alert>
      )}
      {hasHidden && (
        <Alert tone="warn">
          This content holds characters that cannot be seen or that change the direction of text:{" "}
          {invisibleCharactersIn(content)}.
        </Alert>
      )}
    </div>
  );
}

/** Returns the names of the invisible characters, each once. */
function invisibleCharactersIn(content: string): string {
  const names = visibleLines(content).match(/⟨U\+[0-9A-F]{4,6}⟩/g) ?? [];
  return [...new Set(names)].map((name) => name.slice(1, -1)).join(", ");
}
