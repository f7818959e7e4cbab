import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Commit } from "#shared/api/code/commits.js";
import { paths } from "../../../../paths/paths.js";
import { Badge, type Tone } from "../../../../ui/feedback/badge.js";
import { buttonClass } from "../../../../ui/actions/button.js";
import { Card, type Rows, Details } from "../../../../ui/layout/card.js";
import { CommitId } from "../../../../ui/feedback/copy-button.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { LineCounts } from "../diffs/files/file-status.js";

const tones: Record<Commit["commit_type"], Tone> = {
  checkpoint: "neutral",
  validation: "good",
  manual: "neutral",
  final: "accent",
  merge: "warn",
};

/** Returns a commit's fields, for its card and its page. */
export function commitRows(commit: Commit): Rows {
  return {
    Type: <Badge tone={tones[commit.commit_type]}>{commit.commit_type}</Badge>,
    ...(commit.iteration === null ? {} : { Iteration: formatNumber(commit.iteration) }),
    "Files Changed": (
      <span className="inline-flex flex-wrap gap-x-3 tabular-nums">
        {formatNumber(commit.files_changed)}
        <LineCounts additions={commit.additions} deletions={commit.deletions} />
      </span>
    ),
    Message: <PlainText value={commit.message} multiline />,
    Date: <Time value={commit.created_at} />,
  };
}

export function CommitCard({ agentId, commit }: { agentId: string; commit: Commit }): ReactElement {
  return (
    <Card
      level={3}
      title={
        <span className="flex items-center gap-1.5">
          <span className="font-normal text-muted">Commit:</span>
          <CommitId sha={commit.commit_sha} />
        </span>
      }
      actions={
        <Link
          {...paths.commit(agentId, commit.commit_sha)}
          aria-label={`View Diff of ${commit.commit_sha.slice(0, 12)}`}
          className={buttonClass("secondary", "sm")}
        >
          View Diff
        </Link>
      }
    >
      <Details rows={commitRows(commit)} />
    </Card>
  );
}
