import type { ReactElement, ReactNode } from "react";
import type { ApiError } from "../../api/client.js";
import { Button } from "../../ui/button.js";

/** The refusals that are about the slug. */
export const slugCodes = { slug_taken: "slug", slug_reserved: "slug" } as const;

/** What is wrong with the slug, whether the answer names the field or is about nothing else. */
export function slugErrorOf(error: ApiError | null): string | undefined {
  if (error === null) return undefined;
  return error.field("slug") ?? (error.code in slugCodes ? error.message : undefined);
}

/** A hint; where the slug is taken, the free one that the server suggests, one click away. */
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
