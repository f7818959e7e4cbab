import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useLoaded } from "../../../api/use-loaded.js";
import type { Member } from "#shared/api/organization/members.js";
import { paths } from "../../../paths/paths.js";
import { Badge, StatusDot } from "../../../ui/feedback/badge.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { countOf, formatNumber } from "../../../ui/text/number.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { Time } from "../../../ui/text/time.js";
import { RecentActivity } from "./audit/recent-activity.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { ProjectStatus } from "../../code/parts/projects/project-status.js";
import { projectsQuery } from "../../../api/queries/code/projects.js";
import { Await } from "../../../components/await.js";
import { ResourceCard } from "../../../components/resource-card.js";
import { RunTimeline } from "../parts/usage/run-timeline.js";
import { ArchivedBanner } from "./settings/archived-banner.js";
import { useCurrentOrganization } from "../../../access/current-organization.js";
import { MemberName } from "./members/member-name.js";
import { useDenyReason } from "../../../access/permissions.js";
import {
  allOrganizationsQuery,
  membersQuery,
  organizationQuery,
  usageQuery,
} from "../../../api/queries/organization/organizations.js";
import { membersText } from "./members-text.js";
import { UsageMeters } from "../parts/usage/usage.js";

const route = getRouteApi("/app/organizations/$orgId");

/** Maximum rows of a list that has its own page. */
const maxShown = 10;

export function OrganizationPage(): ReactElement {
  const { orgId } = route.useParams();
  const { data: organization } = useLoaded(organizationQuery(orgId));
  const { organization: current, organizations } = useCurrentOrganization();
  // The default list omits archived organizations.
  const all = useQuery({ ...allOrganizationsQuery, enabled: !organization.is_active });
  const crumbs = [
    <CrumbLink key="organizations" {...paths.organizations()}>
      Organizations
    </CrumbLink>,
  ];
  const item = (organization.is_active ? organizations : all.data)?.find(
    ({ id }) => id === organization.id,
  );
  return (
    <Page
      title={organization.name}
      crumbs={crumbs}
      description={
        organization.description !== null && (
          <PlainText value={organization.description} multiline />
        )
      }
      actions={
        <>
          {current?.id === organization.id && <Badge tone="accent">Current</Badge>}
          <Link {...paths.organizationSettings(organization.id)} className={buttonClass()}>
            Settings
          </Link>
        </>
      }
    >
      <ArchivedBanner organization={organization} />
      <div className="grid items-start gap-4 xl:grid-cols-2">
        <div className="flex min-w-0 flex-col gap-4">
          <Card title="Resource Usage">
            <Usage orgId={organization.id} />
          </Card>
          <Runs orgId={organization.id} />
          <Projects orgId={organization.id} isActive={organization.is_active} />
          <RecentActivity orgId={organization.id} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Card title="Details">
            <Details
              rows={{
                Slug: <code className="font-mono text-[13px]">{organization.slug}</code>,
                Status: organization.is_active ? (
                  <StatusDot tone="good">Active</StatusDot>
                ) : (
                  <StatusDot tone="neutral">Archived</StatusDot>
                ),
                Owner: <Owner ownerId={organization.owner_id} email={item?.owner.email} />,
                ...(item
                  ? {
                      Members: membersText(item.counts),
                      Projects: formatNumber(item.counts.projects),
                      "Your role": <PlainText value={item.role} />,
                    }
                  : {}),
                Created: <Time value={organization.created_at} />,
              }}
            />
          </Card>
          <Members orgId={organization.id} />
        </div>
      </div>
    </Page>
  );
}

function Owner({ ownerId, email }: { ownerId: string; email: string | undefined }): ReactElement {
  const { data: me } = useQuery(meQuery);
  if (me?.id === ownerId) return <>You ✓</>;
  return <PlainText value={email ?? ownerId} />;
}

function Usage({ orgId }: { orgId: string }): ReactElement {
  return (
    <Await query={useQuery(usageQuery(orgId))} rows={1}>
      {(usage) => <UsageMeters usage={usage} />}
    </Await>
  );
}

/** Left out if the viewer may not see agents. */
function Runs({ orgId }: { orgId: string }): ReactElement | null {
  return useDenyReason(orgId)("agent:read") === undefined ? <RunTimeline orgId={orgId} /> : null;
}

function Projects({ orgId, isActive }: { orgId: string; isActive: boolean }): ReactElement {
  return (
    <ResourceCard title="Projects" query={useQuery(projectsQuery(orgId))} rows={2}>
      {(projects) =>
        projects.length === 0 && !isActive ? (
          <p className="text-muted">None.</p>
        ) : projects.length === 0 ? (
          <p className="text-muted">
            None yet. Create one under{" "}
            <Link {...paths.projects()} className="text-accent-ink underline">
              Projects
            </Link>
            .
          </p>
        ) : (
          <ul className="-my-2 divide-y divide-line">
            {projects.slice(0, maxShown).map((project) => (
              <li
                key={project.id}
                className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 py-2"
              >
                <Link
                  {...paths.project(project.id)}
                  className="min-w-0 font-medium text-accent-ink hover:underline"
                >
                  <PlainText value={project.name} />
                </Link>
                <span className="flex items-center gap-3 text-[13px] text-muted">
                  {countOf(project.counts.agents, "agent")}
                  <ProjectStatus project={project} />
                </span>
              </li>
            ))}
            {projects.length > maxShown && (
              <li className="py-2">
                <Link {...paths.projects()} className="text-accent-ink hover:underline">
                  All {countOf(projects.length, "project")}
                </Link>
              </li>
            )}
          </ul>
        )
      }
    </ResourceCard>
  );
}

function Members({ orgId }: { orgId: string }): ReactElement {
  const { data: me } = useQuery(meQuery);
  // People first: agents may be far more numerous.
  const peopleFirst = (members: readonly Member[]): Member[] =>
    members.toSorted(
      (left, right) => Number(left.agent_id !== null) - Number(right.agent_id !== null),
    );
  return (
    <ResourceCard title="Members" query={useQuery(membersQuery(orgId))} rows={2}>
      {(members) => (
        <ul className="-my-2 divide-y divide-line">
          {peopleFirst(members)
            .slice(0, maxShown)
            .map((member) => (
              <li key={member.id} className="flex items-center justify-between gap-4 py-2">
                <MemberName
                  member={member}
                  isMe={member.user_id !== null && member.user_id === me?.id}
                />
                <span className="text-[13px] text-muted">
                  <PlainText value={member.role_name} />
                </span>
              </li>
            ))}
          {members.length > maxShown && (
            <li className="py-2">
              <Link
                {...paths.organizationSettings(orgId, { tab: "members" })}
                className="text-accent-ink hover:underline"
              >
                All {countOf(members.length, "member")}
              </Link>
            </li>
          )}
        </ul>
      )}
    </ResourceCard>
  );
}
