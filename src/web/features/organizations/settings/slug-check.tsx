import { useQuery } from "@tanstack/react-query";
import { type ReactElement, type ReactNode, useState } from "react";
import type { ApiError } from "../../../api/client.js";
import { useDebounced } from "../../../hooks/use-debounced.js";
import { slugAvailabilityQuery } from "../../../api/queries/organizations.js";
import { slugErrorOf, SuggestedSlug } from "../../../components/organizations/suggested-slug.js";

interface SlugCheck {
  error: string | undefined;
  /** A slug that is free, where the one in the field is not. */
  suggestion: string | undefined;
  isFree: boolean;
}

interface Checked {
  slug: string;
  /** The organization that would take it; null: a new one. */
  orgId: string | null;
  /** Whether it is a slug to ask about: not the one that the organization has. */
  isNew: boolean;
  /** The last refusal of the form. */
  refusal: ApiError | null;
}

/** Whether the slug in a field is free, asked once the typing pauses; an answer about another is not shown. */
export function useSlugCheck({ slug, orgId, isNew, refusal }: Checked): SlugCheck {
  const settled = useDebounced(slug, 400);
  const { data } = useQuery({
    ...slugAvailabilityQuery(settled, orgId),
    enabled: isNew && settled !== "" && settled === slug,
  });
  // A refusal is about the slug that was sent.
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

/** A hint that says that the slug is free, or offers one that is. */
export function SlugHint({ slug, check, onTake, children }: SlugHintProps): ReactElement {
  return (
    <SuggestedSlug suggestion={check.suggestion} onTake={onTake}>
      {check.isFree && <span className="block text-good">✓ {slug} is free.</span>}
      {children}
    </SuggestedSlug>
  );
}

/** The check's outcome for who does not see it appear: read out when the reader pauses. */
export function SlugStatus({ slug, check }: { slug: string; check: SlugCheck }): ReactElement {
  const { error, isFree } = check;
  return (
    <output className="sr-only">
      {isFree ? `${slug} is free.` : error === undefined ? "" : `The slug ${error}.`}
    </output>
  );
}
