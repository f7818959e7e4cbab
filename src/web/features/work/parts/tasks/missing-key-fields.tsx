import { type ReactElement, useState } from "react";
import type { Project } from "#shared/api/code/projects.js";
import type { Preset } from "#shared/api/execution/presets.js";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { namedProviders } from "#shared/execution/models/model-provider.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { client } from "../../../../api/client.js";
import { secretsQuery } from "../../../../api/queries/execution/secrets.js";
import { useApiMutation } from "../../../../api/use-mutation.js";
import { Button } from "../../../../ui/actions/button.js";
import { Alert } from "../../../../ui/feedback/alert.js";
import { TextField } from "../../../../ui/fields/field.js";
import { SelectField } from "../../../../ui/fields/select.js";
import { visible } from "../../../../ui/text/plain-text.js";

const providerNames = { anthropic: "Anthropic", openai: "OpenAI", google: "Google" } as const;

interface MissingKeyFieldsProps {
  organization: OrganizationItem;
  project: Project;
  preset: Preset;
  /** Name of the secret that is missing. */
  secret: string;
  /** Called once the key is stored. */
  onSaved: () => void;
}

/** Asks for the model key that a program lacks, or says who may add it. Fields of a form around it. */
export function MissingKeyFields(props: MissingKeyFieldsProps): ReactElement {
  const { organization, preset } = props;
  const isForbidden = useDenyReason(organization.id)("org:secrets:write") !== undefined;
  const provider = preset.provider === null ? "model" : providerNames[preset.provider];
  return (
    <Alert tone="warn" live>
      {isForbidden ? (
        <>
          {preset.title} has no {provider} key. Only owners and admins can add keys. Ask an owner.
        </>
      ) : (
        <KeyFields {...props} provider={provider} />
      )}
    </Alert>
  );
}

function KeyFields({
  organization,
  project,
  preset,
  secret,
  provider,
  onSaved,
}: MissingKeyFieldsProps & { provider: string }): ReactElement {
  const [value, setValue] = useState("");
  const [place, setPlace] = useState("organization");
  const projectId = place === "project" ? project.id : null;
  const owner = { orgId: organization.id, projectId };
  const save = useApiMutation({
    run: (key: string, headers) => {
      const named = namedProviders.find((name) => name === preset.provider);
      const body = {
        // A key of the kind `model` never enters the run.
        ...(named === undefined
          ? { kind: "variable" as const }
          : { kind: "model" as const, provider: named }),
        value: key,
      };
      return projectId === null
        ? client.organizationSecrets.set(
            { params: { org_id: organization.id, name: secret }, body },
            { headers },
          )
        : client.projectSecrets.set(
            { params: { project_id: projectId, name: secret }, body },
            { headers },
          );
    },
    refresh: [secretsQuery(owner).queryKey],
    onDone: onSaved,
  });
  const submit = (): void => {
    if (value.trim() !== "") save.submit(value.trim());
  };
  return (
    <div className="flex flex-col gap-3 text-ink">
      <p>
        Add your {provider} key to start {preset.title}.
      </p>
      <div className="grid gap-3 sm:grid-cols-[minmax(0,1fr)_12rem]">
        <TextField
          label={secret}
          type="password"
          value={value}
          onChange={setValue}
          autoComplete="off"
          name="key"
          error={save.error?.message}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            // Enter would submit the form around.
            event.preventDefault();
            submit();
          }}
        />
        <SelectField
          label="For"
          value={place}
          onChange={setPlace}
          options={[
            { value: "organization", label: `All of ${visible(organization.name)}` },
            { value: "project", label: `Only ${visible(project.name)}` },
          ]}
        />
      </div>
      <div className="flex flex-wrap items-center gap-3">
        <Button
          variant="primary"
          pending={save.pending}
          disabledReason={value.trim() === "" ? "Enter the key first" : undefined}
          onClick={submit}
        >
          Save and start
        </Button>
        <span className="text-[13px] text-muted">Stored encrypted, never shown again.</span>
      </div>
    </div>
  );
}
