import type { ReactElement, ReactNode } from "react";
import type { Organization } from "#shared/api/organizations.js";
import { Card } from "../../ui/card.js";
import { ArchiveOrganization } from "./archive-organization.js";
import type { Refusal } from "./permissions.js";
import { TransferOwnership } from "./transfer-ownership.js";

interface DangerZoneProps {
  organization: Organization;
  refusal: Refusal;
}

/** What changes who may do anything here, or whether anybody may. */
export function DangerZone({ organization, refusal }: DangerZoneProps): ReactElement {
  return (
    <Card title="Danger zone" tone="bad">
      <div className="flex flex-col divide-y divide-line">
        <Section
          title="Transfer ownership"
          description="Hands the organization to another of its people."
        >
          <TransferOwnership organization={organization} reason={refusal("org:transfer")} />
        </Section>
        <Section
          title="Archive organization"
          description="Stops what runs and makes everything read-only. An owner can restore it."
        >
          <ArchiveOrganization organization={organization} refusal={refusal} />
        </Section>
      </div>
    </Card>
  );
}

function Section(props: { title: string; description: string; children: ReactNode }): ReactElement {
  return (
    <section className="grid gap-x-8 gap-y-3 py-4 first:pt-0 last:pb-0 md:grid-cols-[minmax(0,2fr)_minmax(0,3fr)]">
      <div>
        <h3 className="font-medium">{props.title}</h3>
        <p className="text-[13px] text-muted">{props.description}</p>
      </div>
      <div className="min-w-0">{props.children}</div>
    </section>
  );
}
