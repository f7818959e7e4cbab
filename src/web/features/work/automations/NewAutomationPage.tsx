import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useDenyReason } from "../../../access/permissions.js";
import { projectQuery } from "../../../api/queries/code/projects.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Form, SubmitButton } from "../../../ui/fields/form.js";
import { SelectField } from "../../../ui/fields/select.js";
import { Card } from "../../../ui/layout/card.js";
import { automationTemplates } from "../parts/automations/automation-templates.js";
import { AutomationFields } from "./automation-fields.js";
import { AutomationPageFrame } from "./automation-page-frame.js";
import { ownZone } from "./automation-values.js";
import { useNewAutomation } from "./use-automation-form.js";

const route = getRouteApi("/app/projects/$projectId/automations/new");

/** A new automation, from a template or from nothing. */
export function NewAutomationPage(): ReactElement {
  const { projectId } = route.useParams();
  const { template = "" }: { template?: string } = route.useSearch();
  const navigate = useNavigate();
  const templates = automationTemplates(ownZone());
  const chosen = templates.find(({ key }) => key === template);
  return (
    <AutomationPageFrame projectId={projectId} title="New automation">
      <Card>
        <div className="flex flex-col gap-5">
          <SelectField
            label="Begin with"
            value={chosen?.key ?? ""}
            onChange={(key) =>
              void navigate({
                ...paths.newAutomation(projectId, key === "" ? {} : { template: key }),
                replace: true,
              })
            }
            options={[
              { value: "", label: "Nothing" },
              ...templates.map(({ key, name }) => ({ value: key, label: name })),
            ]}
            {...(chosen && { hint: chosen.description })}
          />
          <NewForm key={chosen?.key ?? ""} projectId={projectId} template={chosen} />
        </div>
      </Card>
    </AutomationPageFrame>
  );
}

interface NewFormProps {
  projectId: string;
  template: ReturnType<typeof automationTemplates>[number] | undefined;
}

function NewForm({ projectId, template }: NewFormProps): ReactElement {
  const { data: project } = useLoaded(projectQuery(projectId));
  const refusal = useDenyReason(project.organization_id);
  const form = useNewAutomation(projectId, template);
  return (
    <Form label="Automation" {...form.props} className="flex flex-col gap-5">
      <AutomationFields
        form={form}
        projectId={projectId}
        orgId={project.organization_id}
        refusal={refusal}
      />
      <div className="flex flex-wrap gap-2">
        <SubmitButton disabledReason={refusal("project:automation:write")}>
          Create automation
        </SubmitButton>
        <Link {...paths.projectAutomations(projectId)} className={buttonClass()}>
          Cancel
        </Link>
      </div>
    </Form>
  );
}
