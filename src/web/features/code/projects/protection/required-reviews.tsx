import type { ReactElement } from "react";
import type { RequiredReview } from "#shared/code/protection.js";
import { presetTitles, type ReviewerName, reviewerNames } from "#shared/execution/run-choices.js";
import { Button } from "../../../../ui/actions/button.js";
import { TextField } from "../../../../ui/fields/field.js";
import { SelectField } from "../../../../ui/fields/select.js";
import type { EntryFieldsProps } from "./entry-fields.js";

const maxReviews = 5;
const options = reviewerNames.map((name) => ({ value: name, label: presetTitles[name] }));

/** The second opinions that a merge of a task needs: the program of each, and what it looks at. */
export function RequiredReviews({
  entry: { reviews },
  index,
  name,
  reason,
  errorOf,
  onChange,
}: EntryFieldsProps & { name: string }): ReactElement {
  const change = (at: number, part: Partial<RequiredReview>): void =>
    onChange({
      reviews: reviews.map((review, place) => (place === at ? { ...review, ...part } : review)),
    });
  const error = errorOf("reviews");
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1 text-[13px] font-medium">Second opinions of {name}</legend>
      <p className="text-[13px] text-muted">
        A program reviews each change of a task before it lands. A merge waits while it requests
        changes. It never takes the place of an approval.
      </p>
      {reviews.map((review, at) => (
        // oxlint-disable-next-line react/no-array-index-key -- the place is the identity of a review
        <div key={at} className="grid items-start gap-3 sm:grid-cols-[12rem_minmax(0,1fr)_auto]">
          <SelectField
            label={`Program ${index + 1}.${at + 1}`}
            name={`protected_branches.${index}.reviews.${at}.preset`}
            value={review.preset}
            options={options}
            disabledReason={reason}
            error={errorOf(`reviews.${at}.preset`)}
            onChange={(preset) => change(at, { preset: preset as ReviewerName })}
          />
          <TextField
            label={`What to look at ${index + 1}.${at + 1}`}
            optional
            name={`protected_branches.${index}.reviews.${at}.prompt`}
            value={review.prompt}
            disabledReason={reason}
            error={errorOf(`reviews.${at}.prompt`)}
            onChange={(prompt) => change(at, { prompt })}
          />
          <Button
            size="sm"
            className="sm:mt-7"
            aria-label={`Remove the second opinion ${at + 1} of ${name}`}
            disabledReason={reason}
            onClick={() => onChange({ reviews: reviews.filter((_review, place) => place !== at) })}
          >
            Remove
          </Button>
        </div>
      ))}
      {error !== undefined && <p className="text-[13px] text-bad">{error}</p>}
      <div>
        <Button
          size="sm"
          icon="plus"
          aria-label={`Add second opinion to ${name}`}
          disabledReason={
            reason ??
            (reviews.length >= maxReviews
              ? `A branch requires at most ${maxReviews} second opinions.`
              : undefined)
          }
          onClick={() => onChange({ reviews: [...reviews, { preset: "claude-code", prompt: "" }] })}
        >
          Add second opinion
        </Button>
      </div>
    </fieldset>
  );
}
