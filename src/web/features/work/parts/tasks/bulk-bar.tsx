import { type FormEvent, type ReactElement, useState } from "react";
import type { Task } from "#shared/api/work/tasks.js";
import { taskNumber } from "#shared/work/task-words.js";
import { asApiError, client } from "../../../../api/client.js";
import { agentsKey } from "../../../../api/queries/work/agents.js";
import { tasksKey } from "../../../../api/queries/work/tasks.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { controlClass } from "../../../../ui/fields/field.js";
import { ConfirmDialog } from "../../../../ui/overlays/dialog.js";
import { countOf } from "../../../../ui/text/number.js";

type Act =
  | { kind: "stop" }
  | { kind: "retry" }
  | { kind: "merge" }
  | { kind: "label"; label: string };

interface Outcome {
  done: number;
  /** "#4: The task is done." */
  refusals: readonly string[];
}

const verbs: Record<Act["kind"], string> = {
  stop: "stopped",
  retry: "started again",
  merge: "merged or queued",
  label: "labeled",
};

interface BulkBarProps {
  /** The selected tasks. */
  tasks: readonly Task[];
  /** Why the viewer may change none of them. */
  disabledReason: string | undefined;
  onClear: () => void;
}

/** What can be done with all selected tasks at once; each refusal is named. */
export function BulkBar({ tasks, disabledReason, onClear }: BulkBarProps): ReactElement {
  const [label, setLabel] = useState("");
  const [refusals, setRefusals] = useState<readonly string[]>([]);
  const act = useApiMutation({
    run: async (input: Act) => ({ status: 200, data: await actOnAll(tasks, input) }),
    refresh: [tasksKey, agentsKey],
    successMessage: ({ done }) =>
      done === 0 ? undefined : `${countOf(done, "task")} ${verbs[last]}`,
    onDone: (outcome) => {
      setRefusals(outcome.refusals);
      if (outcome.refusals.length === 0) onClear();
    },
    toastErrors: true,
  });
  const [last, setLast] = useState<Act["kind"]>("stop");
  const [isAsking, setAsking] = useState(false);
  const mergeable = tasks.filter(({ actions }) => actions.merge.allowed);
  const submit = (input: Act): void => {
    setLast(input.kind);
    act.submit(input);
  };
  const handleLabel = (event: FormEvent): void => {
    event.preventDefault();
    if (label.trim() !== "" && disabledReason === undefined) {
      submit({ kind: "label", label: label.trim() });
    }
  };
  const button = (kind: "stop" | "retry", text: string): ReactElement => (
    <Button
      size="sm"
      pending={act.pending && last === kind}
      disabledReason={disabledReason}
      onClick={() => submit({ kind })}
    >
      {text}
    </Button>
  );
  return (
    <section
      aria-label="Selected tasks"
      data-bottom-bar=""
      className="sticky bottom-0 z-20 -mx-1 flex flex-wrap items-center gap-2 rounded-t-lg border border-line bg-surface px-3 py-2.5 shadow-floating sm:px-4 sm:py-3 print:hidden"
    >
      {refusals.length > 0 && (
        <div className="w-full">
          <Alert live tone="warn">
            <ul>
              {refusals.map((refusal) => (
                <li key={refusal}>{refusal}</li>
              ))}
            </ul>
          </Alert>
        </div>
      )}
      <output className="font-medium tabular-nums">{tasks.length} selected</output>
      {button("stop", "Stop")}
      {button("retry", "Retry")}
      <Button
        size="sm"
        icon="merge"
        pending={act.pending && last === "merge"}
        disabledReason={disabledReason ?? mergeReason(tasks, mergeable)}
        onClick={() => setAsking(true)}
      >
        Merge…
      </Button>
      {(disabledReason ?? mergeReason(tasks, mergeable)) !== undefined && (
        <span className="text-[13px] text-muted">
          {disabledReason ?? mergeReason(tasks, mergeable)}
        </span>
      )}
      <form aria-label="Add label" onSubmit={handleLabel} className="flex items-center gap-2">
        <input
          aria-label="Label"
          placeholder="Label"
          maxLength={50}
          value={label}
          onChange={({ target }) => setLabel(target.value)}
          className={`${controlClass} h-8 !w-32 text-[13px]`}
        />
        <Button
          type="submit"
          size="sm"
          pending={act.pending && last === "label"}
          disabledReason={
            disabledReason ?? (label.trim() === "" ? "Enter a label first" : undefined)
          }
        >
          Add label
        </Button>
      </form>
      <Button size="sm" variant="ghost" className="ml-auto" onClick={onClear}>
        Clear selection
      </Button>
      <ConfirmDialog
        isOpen={isAsking}
        onClose={() => setAsking(false)}
        title={`Merge ${countOf(mergeable.length, "task")}?`}
        action="Merge tasks"
        variant="primary"
        pending={false}
        onConfirm={() => {
          setAsking(false);
          submit({ kind: "merge" });
        }}
      >
        Each is merged into its base branch, one after the other; a protected branch gets a merge
        request.{" "}
        {mergeable.length < tasks.length && "Selected tasks that cannot be merged are named."}
      </ConfirmDialog>
    </section>
  );
}

/** Why none of the tasks can be merged. */
function mergeReason(tasks: readonly Task[], mergeable: readonly Task[]): string | undefined {
  if (mergeable.length > 0) return undefined;
  const [only] = tasks.length === 1 ? tasks : [];
  return only?.actions.merge.reason ?? "None of the selected tasks can be merged now.";
}

/** Acts on one task after the other, so that many of them do not crowd out other requests. */
async function actOnAll(tasks: readonly Task[], act: Act): Promise<Outcome> {
  const refusals: string[] = [];
  let done = 0;
  for (const task of tasks) {
    try {
      // oxlint-disable-next-line no-await-in-loop -- see above
      await actOn(task, act);
      done += 1;
    } catch (error) {
      refusals.push(`${taskNumber(task)}: ${asApiError(error).message}`);
    }
  }
  return { done, refusals };
}

async function actOn({ id }: Task, act: Act): Promise<void> {
  const params = { task_id: id };
  if (act.kind === "stop") await client.tasks.stop({ params });
  else if (act.kind === "retry") await client.tasks.retry({ params });
  else if (act.kind === "merge") await client.tasks.merge({ params });
  else {
    const { data } = await client.tasks.get({ params });
    if (data.labels.includes(act.label)) return;
    await client.tasks.update({ params, body: { labels: [...data.labels, act.label] } });
  }
}
