import { useQuery } from "@tanstack/react-query";
import { lazy, type ReactElement, Suspense } from "react";
import { loadPart } from "../../../hooks/connection.js";
import { projectFilterOf } from "../../../paths/address-search.js";
import { useNewDialog } from "../../../forms/dialog-search.js";
import { useFilters } from "../../../lists/list-search.js";
import { paths } from "../../../paths/paths.js";
import { Button } from "../../../ui/actions/button.js";
import { Card } from "../../../ui/layout/card.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Skeleton } from "../../../ui/feedback/states.js";
import { Select } from "../../../ui/fields/select.js";
import { PermissionHint } from "../../../access/permission-hint.js";
import { useDenyReason } from "../../../access/permissions.js";
import { usageQuery } from "../../../api/queries/organization/organizations.js";
import { RequireOrganization } from "../../organization/parts/require-organization.js";
import { projectsQuery } from "../../../api/queries/code/projects.js";
import { UsageMeters } from "../../organization/parts/usage/usage.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { AgentsView } from "../parts/board/agents-view.js";

const NewAgentDialog = lazy(async () => ({
  default: (await loadPart(() => import("../parts/agents/new-agent-dialog.js"))).NewAgentDialog,
}));

export function AgentsPage(): ReactElement {
  return (
    <RequireOrganization title="Agents">
      {(organization) => (
        <Agents key={organization.id} orgId={organization.id} orgName={organization.name} />
      )}
    </RequireOrganization>
  );
}

function Agents({ orgId, orgName }: { orgId: string; orgName: string }): ReactElement {
  const [search, change] = useFilters(projectFilterOf);
  const projects = useQuery(projectsQuery(orgId));
  const reason = useDenyReason(orgId)("agent:write");
  const dialog = useNewDialog();

  // After a switch of the organization, the address may still name a project of the other one: ignore
  // it.
  const projectId = projects.data?.find(({ id }) => id === search.project)?.id;
  const hasNoProject = projects.data?.length === 0;
  return (
    <Page
      title="Agents"
      width="full"
      crumbs={[
        <CrumbLink key="organization" {...paths.organization(orgId)}>
          <PlainText value={orgName} />
        </CrumbLink>,
      ]}
      description={
        <>
          Working for <PlainText value={orgName} />
        </>
      }
      actions={
        <>
          <div className="w-44">
            <Select
              aria-label="Filter by project"
              value={projectId ?? ""}
              onChange={(value) => change({ project: value || undefined })}
              options={[
                { value: "", label: "All projects" },
                ...(projects.data ?? []).map(({ id, name }) => ({
                  value: id,
                  label: visible(name),
                })),
              ]}
            />
          </div>
          <Button
            variant="primary"
            icon="plus"
            disabledReason={
              reason ?? (hasNoProject ? "Create a project first: agents work on one." : undefined)
            }
            onClick={dialog.open}
          >
            New agent
          </Button>
        </>
      }
    >
      <PermissionHint reason={reason} />
      <Usage orgId={orgId} />
      <AgentsView
        withProject
        orgId={orgId}
        filter={projectId === undefined ? {} : { project_id: projectId }}
        empty={
          <div className="py-8 text-center">
            <p className="font-semibold text-ink">No agents yet</p>
            <p>
              {hasNoProject
                ? "Create a project under Projects, then the agents that work on it."
                : "Create one with New agent, then create its workspace."}
            </p>
          </div>
        }
      />
      {dialog.isOpen && reason === undefined && (
        <Suspense>
          <NewAgentDialog isOpen onClose={dialog.close} orgId={orgId} projectId={projectId} />
        </Suspense>
      )}
    </Page>
  );
}

/** The organization's agent usage and limits; the hours grow during a run. */
function Usage({ orgId }: { orgId: string }): ReactElement | null {
  const { data, isPending } = useQuery({
    ...usageQuery(orgId),
    refetchInterval: ({ state }) => (state.data?.concurrent_agents.current ? 30_000 : false),
  });
  if (isPending) return <Skeleton rows={1} />;
  return data ? (
    <Card>
      <UsageMeters usage={data} />
    </Card>
  ) : null;
}
