import type { ReactNode } from "react";

export type DiffSide = "old" | "new";

/** Content below lines of a patch. */
export interface LineExtension {
  /** Numbers of the lines with content, on each side. */
  old: ReadonlySet<number>;
  new: ReadonlySet<number>;
  /** Must keep its identity: the viewer draws all lines again otherwise. */
  render: (side: DiffSide, line: number) => ReactNode;
}
