import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { Alert } from "../../../../ui/feedback/alert.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import type { DiffMode } from "./diff-mode.js";
import { PatchView } from "./patch-view.js";

/** The difference of two texts; null: a side without a text. */
export function TextDiff({
  path,
  before,
  after,
  mode,
}: {
  path: string;
  before: string | null;
  after: string | null;
  mode: DiffMode;
}): ReactElement | null {
  const patch = useQuery({
    queryKey: ["text-diff", before, after],
    queryFn: async () => (await import("./text-diff.js")).patchOf(before ?? "", after ?? ""),
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 0,
    enabled: before !== null || after !== null,
  });
  if (before === null && after === null) return null;
  if (patch.data === undefined) return <Skeleton rows={1} />;
  if (patch.data === "") {
    return (
      <div className="p-3">
        <Alert tone="info">
          {before === after ? "Both texts are the same." : "Only the ends of the lines differ."}
        </Alert>
      </div>
    );
  }
  return <PatchView path={path} patch={patch.data} mode={mode} />;
}
