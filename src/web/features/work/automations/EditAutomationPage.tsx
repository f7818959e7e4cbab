import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { Automation } from "#shared/api/work/automations.js";
import { useDenyReason } from "../../../access/permissions.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { automationQuery } from "../../../api/queries/work/automations.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { Card } from "../../../ui/layout/card.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { AutomationFields } from "./automation-fields.js";
import { AutomationPageFrame } from "./automation-page-frame.js";
import { useEditAutomation } from "./use-automation-form.js";

const route = getRouteApi("/app/projects/$projectId/automations/$automationId/edit");

export function EditAutomationPage(): ReactElement {
  const { projectId, automationId } = route.useParams();
  const { data: automation } = useLoaded(automationQuery(projectId, automationId));
  return (
    <AutomationPageFrame
      projectId={projectId}
      title="Edit automation"
      crumb="Edit"
      crumbs={[
        <CrumbLink key="automation" {...paths.automation(projectId, automationId)}>
          <PlainText value={automation.name} />
        </CrumbLink>,
      ]}
    >
      <Card>
        <EditForm automation={automation} />
      </Card>
    </AutomationPageFrame>
  );
}

function EditForm({ automation }: { automation: Automation }): ReactElement {
  const { id, project_id } = automation;
  const { data: project } = useLoaded(projectQuery(project_id));
  const refusal = useDenyReason(project.organization_id);
  const form = useEditAutomation(automation);
  return (
    <Form label="Automation" {...form.props} className="flex flex-col gap-5">
      <AutomationFields
        form={form}
        projectId={project_id}
        orgId={project.organization_id}
        refusal={refusal}
      />
      <p className="text-[13px] text-muted">You become its owner when you save it.</p>
      <div className="flex flex-wrap gap-2">
        <SubmitButton disabledReason={refusal("project:automation:write")}>Save</SubmitButton>
        <Link {...paths.automation(project_id, id)} className={buttonClass()}>
          Cancel
        </Link>
      </div>
    </Form>
  );
}
