import { useQueryClient } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { PermissionRequest } from "#shared/api/work/sessions.js";
import { ApiError, client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { organizationsKey } from "../../../../api/queries/organization/organizations.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Button } from "../../../../ui/actions/button.js";
import { visible } from "../../../../ui/text/plain-text.js";

type Option = PermissionRequest["options"][number];

/** The label comes from the kind: an agent could name an option that allows "Deny". */
const labels: Record<Option["kind"], string> = {
  allow_once: "Allow",
  allow_always: "Always allow",
  reject_once: "Deny",
  reject_always: "Always deny",
};

/** Names that say no more than the label. */
const plainName = /^(?:always )?(?:allow|yes|accept|approve|deny|no|reject)(?: once| always)?$/i;
const longestName = 60;

/** Allowing comes first, and the answer for this time only before the one for good. */
const order: readonly Option["kind"][] = [
  "allow_once",
  "allow_always",
  "reject_once",
  "reject_always",
];

interface PermissionAnswersProps {
  sessionId: string;
  request: PermissionRequest;
  /** Why the viewer may not answer. */
  disabledReason: string | undefined;
}

/** The answers that an agent offers to its request for a permission. The first answer of all users counts. */
export function PermissionAnswers({
  sessionId,
  request,
  disabledReason,
}: PermissionAnswersProps): ReactElement {
  const queries = useQueryClient();
  // The request stays in the session until the program has the answer.
  const [isAnswered, setAnswered] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const answer = useApiMutation({
    run: async (option: Option, headers) => {
      const params = { session_id: sessionId, request_id: request.request_id };
      try {
        return await client.agentSessions.answer(
          { params, body: { option_id: option.option_id } },
          { headers },
        );
      } catch (error) {
        // Another user was faster, or the session has ended: show the current state.
        if (error instanceof ApiError && error.status === 409) {
          setAnswered(true);
          void queries.invalidateQueries({ queryKey: agentsKey });
          void queries.invalidateQueries({ queryKey: organizationsKey });
        }
        throw error;
      }
    },
    refresh: [agentsKey, organizationsKey],
    onDone: () => setAnswered(true),
    toastErrors: true,
  });
  if (isAnswered) return <span className="text-[13px] text-muted">Answered</span>;
  const options = request.options.toSorted(
    (left, right) => order.indexOf(left.kind) - order.indexOf(right.kind),
  );
  return (
    <span className="inline-flex flex-wrap gap-2">
      {options.map((option, index) => (
        <Button
          key={option.option_id}
          size="sm"
          variant={index === 0 && option.kind === "allow_once" ? "primary" : "secondary"}
          className="max-w-full"
          aria-label={`${labelOf(option)}: ${visible(request.title)}`}
          pending={answer.pending && chosen === option.option_id}
          disabledReason={disabledReason}
          onClick={() => {
            setChosen(option.option_id);
            answer.submit(option);
          }}
        >
          <span className="truncate">{labelOf(option)}</span>
        </Button>
      ))}
      {options.length === 0 && (
        <span className="text-[13px] text-muted">The agent offers no answer.</span>
      )}
    </span>
  );
}

function labelOf({ kind, name }: Option): string {
  const label = labels[kind];
  if (plainName.test(name.trim())) return label;
  const whole = visible(name.trim());
  const text = whole.length > longestName ? `${whole.slice(0, longestName)}…` : whole;
  return text.toLowerCase().startsWith(label.toLowerCase()) ? text : `${label} (${text})`;
}
