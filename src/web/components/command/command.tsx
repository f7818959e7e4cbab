import type { ReactElement } from "react";
import { PlainText } from "../../ui/text/plain-text.js";
import { lineOf } from "./command-line.js";

/** A command inside a sentence. */
export function Command({ command }: { command: readonly string[] }): ReactElement {
  return (
    <code className="text-[13px] [overflow-wrap:anywhere]">
      <PlainText value={lineOf(command)} className="font-mono" />
    </code>
  );
}
