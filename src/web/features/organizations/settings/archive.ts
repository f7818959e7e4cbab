import type { QueryKey } from "@tanstack/react-query";
import type { Organization } from "#shared/api/organizations/organizations.js";
import { type Action, useApiMutation } from "../../../api/use-mutation.js";
import { client } from "../../../api/client.js";
import { visible } from "../../../ui/plain-text.js";

/** Archiving stops runs, keys and changes, so every query is invalidated. */
const everything: QueryKey = [];

interface Options {
  organization: Organization;
  onDone: () => void;
}

export function useArchive({ organization, onDone }: Options): Action<undefined> {
  return useApiMutation({
    run: (_input: undefined, headers) =>
      client.organizations.archive({ params: { org_id: organization.id } }, { headers }),
    refresh: [everything],
    successMessage: () => `${visible(organization.name)} is archived`,
    undo: () => () => client.organizations.restore({ params: { org_id: organization.id } }),
    onDone,
  });
}

export function useRestore({ organization }: Pick<Options, "organization">): Action<undefined> {
  return useApiMutation({
    run: (_input: undefined, headers) =>
      client.organizations.restore({ params: { org_id: organization.id } }, { headers }),
    refresh: [everything],
    successMessage: () => `${visible(organization.name)} is restored`,
    toastErrors: true,
  });
}
