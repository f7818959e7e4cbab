import { type ReactElement, useState } from "react";
import type { Secret } from "#shared/api/execution/secrets.js";
import {
  baseUrlProblem,
  namedProviders,
  providerProblem,
} from "#shared/execution/models/model-provider.js";
import { secretNameProblem } from "#shared/execution/names.js";
import { api } from "../../../../api/api-calls.js";
import { client, clientError } from "../../../../api/client.js";
import { type SecretOwner, secretsQuery } from "../../../../api/queries/execution/secrets.js";
import { useForm } from "../../../../forms/use-form.js";
import { Button } from "../../../../ui/actions/button.js";
import { Checkbox, TextArea, TextField } from "../../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../../ui/fields/form.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { Dialog, DialogActions } from "../../../../ui/overlays/dialog.js";

interface SecretDialogProps {
  owner: SecretOwner;
  /** The secret whose value is replaced; null for a new one. */
  secret: Secret | null;
  onClose: () => void;
}

/** Creates a secret or replaces its value. */
export function SecretDialog(props: SecretDialogProps): ReactElement {
  const { secret, onClose } = props;
  return (
    <Dialog
      isOpen
      onClose={onClose}
      title={secret === null ? "New secret" : `Replace ${secret.name}`}
      description={
        secret?.kind === "model"
          ? "For the next calls of all runs."
          : "Runs that start from now on get a variable. The next calls to models use a key."
      }
    >
      <SecretForm {...props} />
    </Dialog>
  );
}

/** Shorter values are not masked in logs. */
const SHORTEST_MASKED = 6;

const kinds = [
  { value: "variable", label: "Environment variable of runs" },
  { value: "model", label: "Key of a model provider" },
];
const providers = [
  { value: "anthropic", label: "Anthropic" },
  { value: "openai", label: "OpenAI" },
  { value: "other", label: "Another provider" },
];

interface Values {
  /** A `Secret["kind"]`. */
  kind: string;
  choice: string;
  provider: string;
  base_url: string;
  value: string;
}

function savedOf(secret: Secret | null): Values {
  const provider = secret?.provider ?? "anthropic";
  const isNamed = namedProviders.includes(provider);
  return {
    kind: secret?.kind ?? "variable",
    choice: isNamed ? provider : "other",
    provider: isNamed ? "" : provider,
    base_url: secret?.base_url ?? "",
    value: "",
  };
}

function SecretForm({ owner, secret, onClose }: SecretDialogProps): ReactElement {
  const { orgId, projectId } = owner;
  // A part of the address, not of the body.
  const [entered, setEntered] = useState(secret?.name ?? "");
  const [isShown, setShown] = useState(false);
  const name = entered.trim();
  const problem = secretNameProblem(name);
  const form = useForm({
    endpoint: api.organizationSecrets.set,
    saved: savedOf(secret),
    toBody: ({ kind, choice, provider, base_url, value }) => ({
      value: kind === "model" ? value.trim() : value,
      ...(kind === "model"
        ? {
            kind: "model" as const,
            provider: choice === "other" ? provider.trim() : choice,
            ...(base_url.trim() !== "" && { base_url: base_url.trim() }),
          }
        : { kind: "variable" as const }),
    }),
    run: async (body, headers) => {
      if (problem !== null) {
        const errors = [{ loc: ["path", "name"], msg: problem, type: "invalid" }];
        throw clientError(422, `The name ${problem}.`, errors);
      }
      return projectId === null
        ? client.organizationSecrets.set({ params: { org_id: orgId, name }, body }, { headers })
        : client.projectSecrets.set({ params: { project_id: projectId, name }, body }, { headers });
    },
    alsoShown: ["name"],
    refresh: [secretsQuery(owner).queryKey],
    successMessage: () => "The secret is set",
    onDone: onClose,
  });
  const { kind, choice, provider, base_url, value } = form.values;
  const isModel = kind === "model";
  const isOther = choice === "other";
  const isShort = !isModel && value !== "" && value.trim().length < SHORTEST_MASKED;
  return (
    <Form label="Secret" {...form.props}>
      {secret === null && <SelectField label="Use" {...form.field("kind")} options={kinds} />}
      {secret === null && (
        <TextField
          label="Name"
          name="name"
          value={entered}
          onChange={setEntered}
          className="font-mono text-[13px]"
          placeholder={isModel ? "ANTHROPIC_API_KEY" : "NPM_TOKEN"}
          autoCapitalize="characters"
          spellCheck={false}
          error={name !== "" || form.error !== null ? (problem ?? undefined) : undefined}
          hint={`${isModel ? "For your reference" : "The name of the variable"}: A-Z, 0-9 and _. An existing secret of this name gets the new value.`}
        />
      )}
      {isModel && (
        <>
          <SelectField
            label="Provider"
            {...form.field("choice")}
            // The key of one provider must not go to the address of another.
            onChange={(next) => form.set({ choice: next, base_url: "" })}
            options={providers}
          />
          {isOther && (
            <TextField
              label="Provider's name"
              {...form.field("provider")}
              spellCheck={false}
              autoCapitalize="none"
              placeholder="local-llm"
              error={
                form.field("provider").error ??
                (provider === "" ? undefined : (providerProblem(provider.trim()) ?? undefined))
              }
              hint="Runs find it by variables such as LOCAL_LLM_BASE_URL."
            />
          )}
          <TextField
            label="Address"
            optional={!isOther}
            {...form.field("base_url")}
            inputMode="url"
            spellCheck={false}
            autoCapitalize="none"
            placeholder={isOther ? "https://models.example.com/v1" : "The provider's own"}
            error={
              form.field("base_url").error ??
              (base_url === "" ? undefined : (baseUrlProblem(base_url.trim()) ?? undefined))
            }
            hint={`The address of the API with its version${isOther ? "" : "; empty for the provider's own"}.`}
          />
        </>
      )}
      <TextArea
        label={isModel ? "Key" : "Value"}
        {...form.field("value")}
        rows={isModel ? 2 : 4}
        spellCheck={false}
        autoComplete="off"
        autoCapitalize="none"
        isConcealed={!isShown}
        hint={
          isShort
            ? `Values of fewer than ${SHORTEST_MASKED} characters are not masked in logs.`
            : isModel
              ? "Stored encrypted, never shown again. It never enters a run: this server adds it to the run's calls."
              : "At most 64 KiB. Stored encrypted, never shown again, masked in the logs of runs."
        }
      />
      <Checkbox
        label={isModel ? "Show the key" : "Show the value"}
        checked={isShown}
        onChange={setShown}
      />
      <DialogActions>
        <Button onClick={onClose}>Cancel</Button>
        <SubmitButton>Save</SubmitButton>
      </DialogActions>
    </Form>
  );
}
