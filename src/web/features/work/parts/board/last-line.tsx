import type { ReactElement } from "react";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";

/** The end of an agent's output, in one line. Nothing announces its changes: they come every few seconds. */
export function LastLine({ text }: { text: string | null }): ReactElement | null {
  if (text === null) return null;
  return (
    <p title={visible(text)} className="truncate font-mono text-xs leading-5 text-muted">
      <span aria-hidden="true">› </span>
      <PlainText value={text} />
    </p>
  );
}
