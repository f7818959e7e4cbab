import type { ReactElement, ReactNode } from "react";
import type { ApiError } from "../../../api/client.js";
import { Button } from "../../../ui/actions/button.js";

/** Error codes that concern the slug. */
export const slugCodes = { slug_taken: "slug", slug_reserved: "slug" } as const;

/** Returns the slug's error, either of its field or by an error code of its own. */
export function slugErrorOf(error: ApiError | null): string | undefined {
  if (error === null) return undefined;
  return error.field("slug") ?? (error.code in slugCodes ? error.message : undefined);
}

/** A hint; if the slug is taken, a button that applies the server's suggestion. */
export function SuggestedSlug({
  suggestion,
  onTake,
  children,
}: {
  suggestion: string | undefined;
  onTake: (slug: string) => void;
  children: ReactNode;
}): ReactElement {
  return (
    <>
      {suggestion !== undefined && (
        <span className="mb-1 block">
          <Button size="sm" onClick={() => onTake(suggestion)}>
            Use <code className="font-mono">{suggestion}</code>
          </Button>
        </span>
      )}
      {children}
    </>
  );
}
