import { useQuery } from "@tanstack/react-query";
import type { ReactElement } from "react";
import { runnersQuery } from "../../../../../api/queries/execution/runners.js";
import type { FormState } from "../../../../../forms/use-form.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { TextField } from "../../../../../ui/fields/field.js";
import { labelsOf, type RunValues } from "../run-values.js";

interface RunnerLabelsFieldProps {
  orgId: string;
  form: FormState<RunValues>;
}

/** The labels that the runner of a run must have. */
export function RunnerLabelsField({ orgId, form }: RunnerLabelsFieldProps): ReactElement {
  const { data: runners } = useQuery(runnersQuery(orgId));
  const known = [...new Set(runners?.flatMap(({ labels }) => labels))].toSorted();
  const wanted = labelsOf(form.values.labels);
  const isAwaited =
    runners !== undefined &&
    !runners.some(
      ({ status, labels }) =>
        status === "online" && wanted.every((label) => labels.includes(label)),
    );
  return (
    <>
      <TextField
        label="Runner labels"
        optional
        spellCheck={false}
        autoComplete="off"
        {...form.field("labels")}
        error={form.errorOf("runner_labels")}
        hint={`A runner takes the run if it has all of them. Separate them by commas.${
          known.length === 0 ? "" : ` Known labels: ${known.join(", ")}.`
        }`}
      />
      {isAwaited && (
        <Alert tone="info">
          {wanted.length === 0
            ? "No runner is online now. The run waits for one."
            : "No runner with these labels is online now. The run waits for one."}
        </Alert>
      )}
    </>
  );
}
