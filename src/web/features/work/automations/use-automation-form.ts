import { useNavigate } from "@tanstack/react-router";
import type { Automation } from "#shared/api/work/automations.js";
import { api } from "../../../api/api-calls.js";
import { client } from "../../../api/client.js";
import { editOptions } from "../../../api/incoming.js";
import { automationsKey, readAutomation } from "../../../api/queries/work/automations.js";
import { wordsOf } from "../../../components/command/command-line.js";
import { type FormState, useForm } from "../../../forms/use-form.js";
import { paths } from "../../../paths/paths.js";
import { type AutomationValues, bodyOf, newValues, savedValues } from "./automation-values.js";
import type { AutomationTemplate } from "../parts/automations/automation-templates.js";
import { showAddress } from "./shown-address.js";

const alsoShown = ["triggers", "filter", "action", "acts_as"] as const;

/** The words of the program's command; none of a line with a syntax error, which the API then refuses. */
function commandOf({ line }: AutomationValues): readonly string[] {
  const parsed = wordsOf(line);
  return "error" in parsed ? [] : parsed.words;
}

/** The form of a new automation. */
export function useNewAutomation(
  projectId: string,
  template: AutomationTemplate | undefined,
): FormState<AutomationValues> {
  const navigate = useNavigate();
  return useForm({
    endpoint: api.automations.create,
    saved: newValues(template),
    toBody: (values) => bodyOf(values, commandOf(values)),
    run: (body, headers) =>
      client.automations.create({ params: { project_id: projectId }, body }, { headers }),
    alsoShown,
    refresh: [automationsKey],
    onDone: ({ id, webhook }) => {
      showAddress(id, webhook);
      void navigate({ ...paths.automation(projectId, id), ignoreBlocker: true });
    },
  });
}

/** The form of an automation that exists. */
export function useEditAutomation(automation: Automation): FormState<AutomationValues> {
  const navigate = useNavigate();
  const { id, project_id } = automation;
  return useForm({
    endpoint: api.automations.update,
    ...editOptions(automation, () => readAutomation(project_id, id), savedValues),
    toBody: (values) => bodyOf(values, commandOf(values)),
    run: (body, headers) =>
      client.automations.update({ params: { project_id, automation_id: id }, body }, { headers }),
    alsoShown,
    refresh: [automationsKey],
    successMessage: () => "The automation is changed",
    onDone: ({ webhook }) => {
      showAddress(id, webhook);
      void navigate({ ...paths.automation(project_id, id), ignoreBlocker: true });
    },
  });
}
