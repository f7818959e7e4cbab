import type { ReactElement } from "react";
import { PlainText } from "./plain-text.js";

/** A script or another text in full, in a region that scrolls. */
export function ScriptText({ label, text }: { label: string; text: string }): ReactElement {
  return (
    <section
      aria-label={label}
      // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the region scrolls by keyboard, too
      tabIndex={0}
      className="max-h-80 overflow-y-auto rounded-md border border-line bg-sunken px-3 py-2 text-[13px]"
    >
      <PlainText value={text} multiline className="font-mono" />
    </section>
  );
}
