import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organization/organizations.js";
import { visible } from "../../../../ui/text/plain-text.js";
import { archivedReason } from "../../../../access/permissions.js";
import type { DenyReason } from "../../../../access/deny-reason.js";
import { client } from "../../../../api/client.js";
import { TypedConfirmButton } from "../../../../components/confirmations.js";

interface ArchiveProps {
  organization: Organization;
  refusal: DenyReason;
}

export function ArchiveOrganization({ organization, refusal }: ArchiveProps): ReactElement {
  const params = { org_id: organization.id };
  return (
    <TypedConfirmButton
      label="Archive organization"
      mutation={{
        run: (_input, headers) => client.organizations.archive({ params }, { headers }),
        // Archiving stops runs, keys and changes: every query depends on it.
        refresh: [[]],
        successMessage: () => `${visible(organization.name)} is archived`,
        undo: () => () => client.organizations.restore({ params }),
      }}
      reason={organization.is_active ? refusal("org:archive") : archivedReason}
      title={`Archive ${visible(organization.name)}?`}
      consequences={[
        "Running agents are stopped.",
        "API keys for this organization alone stop working.",
        "Everything can still be read; nothing can be changed.",
        "An owner can restore it at any time.",
      ]}
      word={organization.slug}
      wordName="slug"
      verb="Archive"
    />
  );
}
