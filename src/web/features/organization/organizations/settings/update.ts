import type { Organization } from "#shared/api/organization/organizations.js";
import { client } from "../../../../api/client.js";
import { api } from "../../../../api/api-calls.js";
import { type FormState, useForm } from "../../../../forms/use-form.js";
import { queryClient } from "../../../../api/query-client.js";
import { editOptions } from "../../../../api/incoming.js";
import {
  organizationQuery,
  organizationsKey,
} from "../../../../api/queries/organization/organizations.js";

type Change = Parameters<typeof client.organizations.update>[0]["body"];

interface Options<Values extends object> {
  organization: Organization;
  savedOf: (organization: Organization) => Values;
  /** Returns the body. Unchanged fields are not sent, since they need no permission. */
  toBody: (values: Values, changed: ReadonlySet<keyof Values>) => Change;
  successMessage: string;
  fieldOf?: Partial<Record<string, keyof Values>>;
  onDone?: () => void;
}

/** A form for some fields of an organization. */
export function useOrganizationForm<Values extends object>({
  organization,
  savedOf,
  toBody,
  successMessage,
  fieldOf = {},
  onDone,
}: Options<Values>): FormState<Values> {
  return useForm({
    endpoint: api.organizations.update,
    ...editOptions(
      organization,
      () => queryClient.fetchQuery({ ...organizationQuery(organization.id), staleTime: 0 }),
      savedOf,
    ),
    toBody,
    run: (body, headers) =>
      client.organizations.update({ params: { org_id: organization.id }, body }, { headers }),
    fieldOf,
    refresh: [organizationsKey],
    successMessage: () => successMessage,
    ...(onDone ? { onDone } : {}),
  });
}
