import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import { SettingsHint } from "../../../../access/permission-hint.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { TextArea } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { Card } from "../../../../ui/layout/card.js";
import { useOrganizationForm } from "./update.js";

/** Null for an empty text: all models are allowed. */
function modelsOf(text: string): string[] | null {
  const models = text.split(/[\s,]+/).filter(Boolean);
  return models.length === 0 ? null : models;
}

/** The models that runs of the organization may call. */
export function AllowedModelsCard({
  organization,
  refusal,
}: {
  organization: Organization;
  refusal: DenyReason;
}): ReactElement {
  const reason = refusal("org:limits:write");
  const form = useOrganizationForm({
    organization,
    savedOf: ({ allowed_models }) => ({ allowed_models: (allowed_models ?? []).join("\n") }),
    toBody: ({ allowed_models }) => ({ allowed_models: modelsOf(allowed_models) }),
    successMessage: "The allowed models are saved",
  });
  return (
    <Card title="Allowed models">
      <Form label="Allowed models" {...form.props} className="max-w-xl">
        <p className="text-muted">
          The models that the organization's runs may call. Calls to other models are refused.
        </p>
        <SettingsHint reason={reason} />
        <TextArea
          label="Models"
          optional
          rows={3}
          {...form.field("allowed_models")}
          disabledReason={reason}
          spellCheck={false}
          autoCapitalize="none"
          className="font-mono text-[13px]"
          placeholder="claude-sonnet-*"
          hint="One model per line, as the provider names it. * stands for any characters. Empty: all models."
        />
        <SubmitButton disabledReason={reason} className="self-start">
          Save models
        </SubmitButton>
      </Form>
    </Card>
  );
}
