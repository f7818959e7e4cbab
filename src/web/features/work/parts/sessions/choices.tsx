import { type ReactElement, useEffect, useState } from "react";
import type { Session } from "#shared/api/work/sessions.js";
import { client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Select } from "../../../../ui/fields/select.js";
import { visible } from "../../../../ui/text/plain-text.js";

interface ChoicesProps {
  session: Session;
  /** Why the viewer may not change them. */
  disabledReason: string | undefined;
}

/** The modes, models and other choices that the program of a session offers. */
export function Choices({ session, disabledReason }: ChoicesProps): ReactElement {
  const { modes, options } = session;
  // An option of this category stands for the modes.
  const hasModes = modes !== null && !options.some(({ category }) => category === "mode");
  const common = { sessionId: session.id, disabledReason };
  return (
    <div className="-m-1 flex min-w-0 gap-2 overflow-x-auto p-1 wide:flex-wrap">
      {hasModes && modes.available.length > 1 && (
        <Choice
          {...common}
          label="Mode"
          value={modes.current}
          bodyOf={(mode_id) => ({ mode_id })}
          options={modes.available.map(({ id, name }) => ({ value: id, label: visible(name) }))}
        />
      )}
      {options
        .filter(({ values }) => values.length > 1)
        .map(({ id, name, category, current, values }) => (
          <Choice
            key={id}
            {...common}
            label={visible(name)}
            value={current}
            bodyOf={(value) => ({ option: { id, value } })}
            options={values.map((choice) => ({
              value: choice.value,
              label: isPlain(category)
                ? visible(choice.name)
                : `${visible(name)}: ${visible(choice.name)}`,
            }))}
          />
        ))}
    </div>
  );
}

/** Whether a value says by itself what it is about: "Sonnet", but not "Off". */
const isPlain = (category: string | null): boolean => category === "model" || category === "mode";

interface ChoiceProps {
  sessionId: string;
  label: string;
  value: string;
  options: readonly { value: string; label: string }[];
  bodyOf: (value: string) => { mode_id: string } | { option: { id: string; value: string } };
  disabledReason: string | undefined;
}

/** Time for the program to take a choice, before the page shows the old one again; milliseconds. */
const takenMs = 5000;

function Choice({
  sessionId,
  label,
  value,
  options,
  bodyOf,
  disabledReason,
}: ChoiceProps): ReactElement {
  const [chosen, setChosen] = useState<{ value: string; instead: string }>();
  const change = useApiMutation({
    run: (next: string, headers) =>
      client.agentSessions.update(
        { params: { session_id: sessionId }, body: bodyOf(next) },
        { headers },
      ),
    refresh: [agentsKey],
    toastErrors: true,
  });
  useEffect(() => {
    if (chosen === undefined) return undefined;
    const timer = setTimeout(() => setChosen(undefined), takenMs);
    return () => clearTimeout(timer);
  }, [chosen]);
  const isWaiting = chosen !== undefined && chosen.instead === value && change.error === null;
  return (
    <div className="max-w-48 min-w-28 shrink-0">
      <Select
        aria-label={label}
        title={label}
        value={isWaiting ? chosen.value : value}
        options={options}
        disabledReason={disabledReason}
        onChange={(next) => {
          setChosen({ value: next, instead: value });
          change.submit(next);
        }}
      />
    </div>
  );
}
