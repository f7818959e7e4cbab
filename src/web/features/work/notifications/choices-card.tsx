import { type ReactElement, useState } from "react";
import type { NotificationChoice, NotificationSettings } from "#shared/api/work/notifications.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { editOptions } from "../../../api/incoming.js";
import { notificationSettingsQuery } from "../../../api/queries/work/notifications.js";
import { queryClient } from "../../../api/query-client.js";
import { useApiMutation } from "../../../api/use-mutation.js";
import { useForm } from "../../../forms/use-form.js";
import { Button } from "../../../ui/actions/button.js";
import { Checkbox } from "../../../ui/fields/field.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Select, SelectField } from "../../../ui/fields/select.js";
import { Card } from "../../../ui/layout/card.js";
import { visible } from "../../../ui/text/plain-text.js";

interface ChoicesCardProps {
  settings: NotificationSettings;
}

/** What the user is notified of, in general and by organization. */
export function ChoicesCard({ settings }: ChoicesCardProps): ReactElement {
  const [chosen, setChosen] = useState("");
  const { organizations } = settings;
  const organization = organizations.find(({ id }) => id === chosen);
  return (
    <Card title="What you are notified of">
      <div className="flex flex-col gap-5">
        {organizations.length > 0 && (
          <SelectField
            label="Organization"
            name="organization"
            value={organization?.id ?? ""}
            onChange={setChosen}
            options={[
              { value: "", label: "All without choices of their own" },
              ...organizations.map(({ id, name, choices }) => ({
                value: id,
                label: choices === null ? visible(name) : `${visible(name)} (own choices)`,
              })),
            ]}
          />
        )}
        <ChoicesForm
          key={`${chosen} ${organization?.choices === null}`}
          settings={settings}
          organizationId={organization?.id ?? null}
        />
      </div>
    </Card>
  );
}

type Values = Record<NotificationChoice["kind"], NotificationChoice>;

/** The choices for an organization; the general ones where it has none. */
function valuesOf(settings: NotificationSettings, organizationId: string | null): Values {
  const own = settings.organizations.find(({ id }) => id === organizationId)?.choices;
  const entries = (own ?? settings.choices).map((choice) => [choice.kind, choice] as const);
  return Object.fromEntries(entries) as Values;
}

function ChoicesForm({
  settings,
  organizationId,
}: ChoicesCardProps & { organizationId: string | null }): ReactElement {
  const organization = settings.organizations.find(({ id }) => id === organizationId);
  const form = useForm({
    endpoint: api.notifications.set,
    ...editOptions(
      settings,
      () => queryClient.fetchQuery({ ...notificationSettingsQuery, staleTime: 0 }),
      (data) => valuesOf(data, organizationId),
    ),
    // An organization's choices have no ETag of their own.
    ...(organizationId === null ? {} : { version: undefined }),
    toBody: (values) => ({ choices: Object.values(values) }),
    run: (body, headers) =>
      organizationId === null
        ? client.notifications.set({ body }, { headers })
        : client.notifications.setForOrganization(
            { params: { org_id: organizationId }, body },
            { headers },
          ),
    refresh: [notificationSettingsQuery.queryKey],
    successMessage: () => "Notifications saved",
  });
  const reset = useApiMutation({
    run: (org_id: string, headers) =>
      client.notifications.resetForOrganization({ params: { org_id } }, { headers }),
    refresh: [notificationSettingsQuery.queryKey],
    successMessage: () => "The general choices apply again",
    toastErrors: true,
  });
  return (
    <Form label="Notifications" {...form.props}>
      <ul className="flex flex-col divide-y divide-line">
        {settings.kinds.map(({ name, title, description, has_scope }) => {
          const choice = form.values[name];
          const set = (change: Partial<NotificationChoice>): void =>
            form.set({ [name]: { ...choice, ...change } });
          return (
            <li key={name} className="py-4 first:pt-0 last:pb-0">
              <fieldset className="flex flex-col gap-2.5">
                <legend className="font-medium">{title}</legend>
                <p className="text-[13px] text-muted">{description}.</p>
                <div className="flex flex-wrap items-center gap-x-6 gap-y-2.5">
                  <Checkbox
                    label="Email"
                    checked={choice.email}
                    onChange={(email) => set({ email })}
                  />
                  <Checkbox
                    label="Webhook"
                    checked={choice.webhook}
                    onChange={(webhook) => set({ webhook })}
                  />
                  {has_scope && (
                    <Select
                      aria-label={`Whose ${title.toLowerCase()}`}
                      value={choice.scope}
                      onChange={(scope) => set({ scope: scope === "all" ? "all" : "own" })}
                      options={[
                        { value: "own", label: "Mine" },
                        { value: "all", label: "All that I may see" },
                      ]}
                    />
                  )}
                </div>
              </fieldset>
            </li>
          );
        })}
      </ul>
      {settings.webhook === null && (
        <p className="text-[13px] text-muted">Nothing is sent to a webhook until you set one.</p>
      )}
      <div className="flex flex-wrap gap-2">
        <SubmitButton>
          {organization === undefined ? "Save choices" : "Save for this organization"}
        </SubmitButton>
        {organization !== undefined && organization.choices !== null && (
          <Button pending={reset.pending} onClick={() => reset.submit(organization.id)}>
            Use general choices
          </Button>
        )}
      </div>
    </Form>
  );
}
