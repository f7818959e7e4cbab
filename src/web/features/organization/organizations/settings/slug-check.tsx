import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import type { ApiError } from "../../../../api/client.js";
import { useDebounced } from "../../../../hooks/use-debounced.js";
import { slugAvailabilityQuery } from "../../../../api/queries/organization/organizations.js";
import { slugErrorOf, SuggestedSlug } from "../../parts/suggested-slug.js";

interface SlugCheck {
  error: string | undefined;
  /** An available slug, if the entered one is not. */
  suggestion: string | undefined;
  isFree: boolean;
}

interface Checked {
  slug: string;
  /** The organization to be renamed; null: a new one. */
  orgId: string | null;
  /** Whether the slug differs from the organization's own and needs a check. */
  isNew: boolean;
  /** The last error of the form. */
  refusal: ApiError | null;
}

/** Checks whether a slug is available, once typing pauses; responses for another slug are ignored. */
export function useSlugCheck({ slug, orgId, isNew, refusal }: Checked): SlugCheck {
  const debounced = useDebounced(slug, 400);
  const { data } = useQuery({
    ...slugAvailabilityQuery(debounced, orgId),
    enabled: isNew && debounced !== "" && debounced === slug,
  });
  // An error concerns the slug that was sent.
  const [refused, setRefused] = useState({ refusal, slug });
  if (refused.refusal !== refusal) setRefused({ refusal, slug });

  const answer = isNew && data?.slug === slug ? data : undefined;
  if (refusal !== null && refused.slug === slug && slugErrorOf(refusal) !== undefined) {
    const { suggestion } = refusal.problem;
    return { error: slugErrorOf(refusal), suggestion, isFree: false };
  }
  return {
    error: answer?.reason ?? undefined,
    suggestion: answer?.suggestion ?? undefined,
    isFree: answer?.available ?? false,
  };
}

interface SlugHintProps {
  slug: string;
  check: SlugCheck;
  onTake: (slug: string) => void;
  children: ReactNode;
}

/** A hint that the slug is available, or a button that applies an available one. */
export function SlugHint({ slug, check, onTake, children }: SlugHintProps): ReactElement {
  return (
    <SuggestedSlug suggestion={check.suggestion} onTake={onTake}>
      {check.isFree && <span className="block text-good">✓ {slug} is free.</span>}
      {children}
    </SuggestedSlug>
  );
}

/** The result for screen readers: announced politely. */
export function SlugStatus({ slug, check }: { slug: string; check: SlugCheck }): ReactElement {
  const { error, isFree } = check;
  return (
    <output className="sr-only">
      {isFree ? `${slug} is free.` : error === undefined ? "" : `The slug ${error}.`}
    </output>
  );
}
