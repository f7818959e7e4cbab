import type { ReactElement } from "react";
import type { Organization } from "#shared/api/organizations.js";
import { Card } from "../../../ui/card.js";
import { DangerSection } from "../../../ui/danger-section.js";
import { ArchiveOrganization } from "./archive-organization.js";
import type { DenyReason } from "../../../access/permissions.js";
import { TransferOwnership } from "../members/transfer-ownership.js";

interface DangerZoneProps {
  organization: Organization;
  refusal: DenyReason;
}

/** What changes who may do anything here, or whether anybody may. */
export function DangerZone({ organization, refusal }: DangerZoneProps): ReactElement {
  return (
    <Card title="Danger zone" tone="bad">
      <div className="flex flex-col divide-y divide-line">
        <DangerSection
          title="Transfer ownership"
          description="Hands the organization to another of its people."
        >
          <TransferOwnership organization={organization} reason={refusal("org:transfer")} />
        </DangerSection>
        <DangerSection
          title="Archive organization"
          description="Stops what runs and makes everything read-only. An owner can restore it."
        >
          <ArchiveOrganization organization={organization} refusal={refusal} />
        </DangerSection>
      </div>
    </Card>
  );
}
