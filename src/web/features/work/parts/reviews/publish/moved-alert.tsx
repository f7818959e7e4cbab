import { type ReactElement, useState } from "react";
import type { ApiError } from "../../../../../api/client.js";
import { Button } from "../../../../../ui/actions/button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { countOf } from "../../../../../ui/text/number.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import type { PendingComment } from "../draft/pending-review.js";
import { placeText } from "../threads/talk.js";

interface MovedAlertProps {
  error: ApiError;
  comments: readonly PendingComment[];
  onLoad: (commitSha: string) => Promise<void>;
}

/** A place of a comment that the newest commit moves; null if its lines are gone. */
interface Move {
  index: number;
  now: { path: string; line: number | null } | null;
}

/** Says that the agent changed the files meanwhile, and where that leaves the comments. */
export function MovedAlert({ error, comments, onLoad }: MovedAlertProps): ReactElement {
  const [isLoading, setLoading] = useState(false);
  const { commit_sha: commitSha, moves } = detailsOf(error);
  const load = async (): Promise<void> => {
    setLoading(true);
    await onLoad(commitSha ?? "");
    setLoading(false);
  };
  return (
    <Alert tone="warn" live>
      <div className="flex flex-col gap-2">
        <p>
          The agent has changed the files since you read them. Your draft is kept.{" "}
          {moves.length === 0 && comments.length > 0 && "All comments stay at their lines."}
        </p>
        {moves.length > 0 && (
          <>
            <p>{countOf(moves.length, "comment")} would move:</p>
            <ul className="flex list-disc flex-col gap-0.5 pl-5">
              {moves.slice(0, 10).map(({ index, now }) => {
                const comment = comments[index];
                return (
                  comment && (
                    <li key={index}>
                      <PlainText value={placeText({ ...comment, start_line: comment.startLine })} />
                      {now === null
                        ? ": its lines are gone"
                        : now.line === null
                          ? ""
                          : `: now line ${now.line}`}
                    </li>
                  )
                );
              })}
            </ul>
          </>
        )}
        <div>
          <Button size="sm" pending={isLoading} onClick={() => void load()}>
            Load the newest changes
          </Button>
        </div>
      </div>
    </Alert>
  );
}

function detailsOf({ problem }: ApiError): { commit_sha: string | undefined; moves: Move[] } {
  const { commit_sha: sha, comments } = problem as { commit_sha?: unknown; comments?: unknown };
  const moves = Array.isArray(comments) ? comments.filter(isMove) : [];
  return { commit_sha: typeof sha === "string" ? sha : undefined, moves };
}

const isMove = (value: unknown): value is Move =>
  typeof value === "object" &&
  value !== null &&
  "index" in value &&
  typeof value.index === "number" &&
  "now" in value;
