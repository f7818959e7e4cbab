import type { ReactElement } from "react";
import { CrumbLink } from "../../../components/crumb-link.js";
import { paths } from "../../../paths/paths.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { RequireOrganization } from "../../organization/parts/require-organization.js";
import { TaskList } from "../parts/tasks/task-list.js";

/** The tasks of all projects of the current organization. */
export function TasksPage(): ReactElement {
  return (
    <RequireOrganization title="Tasks">
      {(organization) => (
        <Tasks key={organization.id} orgId={organization.id} orgName={organization.name} />
      )}
    </RequireOrganization>
  );
}

function Tasks({ orgId, orgName }: { orgId: string; orgName: string }): ReactElement {
  return (
    <Page
      title="Tasks"
      width="full"
      crumbs={[
        <CrumbLink key="organization" {...paths.organization(orgId)}>
          <PlainText value={orgName} />
        </CrumbLink>,
      ]}
      description={
        <>
          What people want done in <PlainText value={orgName} />
        </>
      }
    >
      <TaskList place={{ orgId }} orgId={orgId} withProject />
    </Page>
  );
}
