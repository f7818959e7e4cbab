import type { ReactElement } from "react";
import { PlainText } from "../../../ui/text/plain-text.js";

/** "#12 Half-cent rounding" */
export function TaskName({ number, title }: { number: number; title: string }): ReactElement {
  return (
    <>
      <span className="font-normal text-muted tabular-nums">#{number}</span>{" "}
      <PlainText value={title} />
    </>
  );
}
