import { type ReactElement, useState } from "react";
import type { Organization } from "#shared/api/organizations/organizations.js";
import { visible } from "../../../ui/plain-text.js";
import { TypedConfirmation } from "../../../ui/typed-confirmation.js";
import { useArchive } from "./archive.js";
import { archivedReason, type DenyReason } from "../../../access/permissions.js";

interface ArchiveProps {
  organization: Organization;
  refusal: DenyReason;
}

export function ArchiveOrganization({ organization, refusal }: ArchiveProps): ReactElement {
  const [isOpen, setOpen] = useState(false);
  const archive = useArchive({ organization, onDone: () => setOpen(false) });
  return (
    <TypedConfirmation
      label="Archive organization"
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
      pending={archive.pending}
      error={archive.error}
      isOpen={isOpen}
      onOpenChange={setOpen}
      onConfirm={() => archive.submit(undefined)}
    />
  );
}
