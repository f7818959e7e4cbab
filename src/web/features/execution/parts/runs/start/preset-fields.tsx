import type { ReactElement } from "react";
import type { Preset } from "#shared/api/execution/presets.js";
import type { FormState } from "../../../../../forms/use-form.js";
import { CopyLine } from "../../../../../ui/feedback/copy-button.js";
import { Alert } from "../../../../../ui/feedback/alert.js";
import { TextArea, TextField } from "../../../../../ui/fields/field.js";
import { SelectField } from "../../../../../ui/fields/select.js";
import { PlainText } from "../../../../../ui/text/plain-text.js";
import { KeyNotice, type KeyNoticeProps } from "./key-notice.js";
import { networkOf, type RunSource, type RunValues } from "../run-values.js";

interface PresetFieldsProps extends Pick<KeyNoticeProps, "agent"> {
  source: Pick<RunSource, "presets" | "projectHosts" | "canRestrict">;
  form: FormState<RunValues>;
}

/** The choice of a program, with its prompt and model. */
export function PresetFields({ agent, form, source }: PresetFieldsProps): ReactElement {
  const { presets } = source;
  const preset = presets.find(({ name }) => name === form.values.preset);
  const isCustom = preset === undefined || preset.name === "custom";
  return (
    <>
      <SelectField
        label="Program"
        value={form.values.preset}
        onChange={(next) => {
          const chosen = presets.find(({ name }) => name === next);
          // A model belongs to its program.
          if (chosen) form.set({ preset: chosen.name, model: "", ...networkOf(chosen, source) });
        }}
        error={form.errorOf("preset")}
        options={presets.map(({ name, title, available }) => ({
          value: name,
          label: available || name === "custom" ? title : `${title} – not available`,
        }))}
        hint={preset?.version == null ? undefined : `Installed: ${preset.version}`}
      />
      {preset && !isCustom && !preset.available && <Missing preset={preset} />}
      {!isCustom && (
        <>
          <KeyNotice agent={agent} preset={preset} />
          <TextArea
            label="Prompt"
            rows={6}
            {...form.field("prompt")}
            hint="The task of the agent, up to 16 KiB. The program works on it without questions."
          />
          <TextField
            label="Model"
            optional
            spellCheck={false}
            autoComplete="off"
            {...form.field("model")}
            hint={
              preset.models.length > 0
                ? `For example ${preset.models.join(", ")}. Leave empty for the program's default.`
                : "Leave empty for the program's default."
            }
          />
        </>
      )}
    </>
  );
}

/** Why the preset cannot start, and how to install its program. */
function Missing({ preset }: { preset: Preset }): ReactElement {
  return (
    <Alert tone="warn">
      <div className="flex flex-col gap-2">
        {preset.reason !== null && <PlainText value={preset.reason} />}
        {preset.version === null && preset.install !== null && (
          <>
            <span>Install it on the machine that Omoi runs on:</span>
            <CopyLine text={preset.install} label="Copy the command" />
          </>
        )}
      </div>
    </Alert>
  );
}
