import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import type { ChangedFile } from "#shared/api/work/reviews.js";
import { fileLinesQuery } from "../../../../../api/queries/work/reviews.js";
import { visible } from "../../../../../ui/text/plain-text.js";
import { useReviewScope } from "../review-scope.js";

export const isImage = (path: string): boolean => /\.(png|jpe?g|gif|webp)$/i.test(path);

/** An image before and after the change. */
export function ImageView({ file }: { file: ChangedFile }): ReactElement {
  const { changes } = useReviewScope();
  return (
    <div className="flex flex-wrap items-start gap-4 p-3 pt-0">
      {file.old_blob_id !== null && (
        <Version label="Before" commitSha={changes.base_sha} path={file.old_path ?? file.path} />
      )}
      {file.blob_id !== null && (
        <Version label="After" commitSha={changes.commit_sha} path={file.path} />
      )}
    </div>
  );
}

function Version({
  label,
  commitSha,
  path,
}: {
  label: string;
  commitSha: string;
  path: string;
}): ReactElement | null {
  const { task, attempt } = useReviewScope();
  const { data } = useQuery(fileLinesQuery(task.id, attempt.id, commitSha, path));
  const image = data?.image;
  return image ? (
    <figure className="flex min-w-0 flex-col gap-1">
      <figcaption className="text-[13px] text-muted">{label}</figcaption>
      <img
        src={`data:${image.media_type};base64,${image.base64}`}
        alt={`${visible(path)}, ${label.toLowerCase()}`}
        className="max-h-96 max-w-full rounded border border-line bg-canvas"
      />
    </figure>
  ) : null;
}
