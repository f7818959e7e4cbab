import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { lazy, type ReactElement, Suspense } from "react";
import { useLoaded } from "../../../../api/use-loaded.js";
import { loadPart } from "../../../../hooks/connection.js";
import type { OrganizationTab } from "../../../../paths/address-search.js";
import { paths } from "../../../../paths/paths.js";
import { CrumbLink } from "../../../../components/crumb-link.js";
import { Page } from "../../../../ui/layout/page.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Skeleton } from "../../../../ui/feedback/states.js";
import { Tabs } from "../../../../ui/layout/tabs.js";
import { ArchivedBanner } from "./archived-banner.js";
import { GeneralTab } from "./general-tab.js";
import { useDenyReason } from "../../../../access/permissions.js";
import { organizationQuery } from "../../../../api/queries/organization/organizations.js";

const AuditTab = lazy(async () => ({
  default: (await loadPart(() => import("../audit/audit-tab.js"))).AuditTab,
}));
const MembersTab = lazy(async () => ({
  default: (await loadPart(() => import("../members/members-tab.js"))).MembersTab,
}));
const ResourcesTab = lazy(async () => ({
  default: (await loadPart(() => import("./resources-tab.js"))).ResourcesTab,
}));
const ServiceAccountsTab = lazy(async () => ({
  default: (await loadPart(() => import("../service-accounts/service-accounts-tab.js")))
    .ServiceAccountsTab,
}));
const ForgesTab = lazy(async () => ({
  default: (await loadPart(() => import("../forges/forges-tab.js"))).ForgesTab,
}));
const WebhooksTab = lazy(async () => ({
  default: (await loadPart(() => import("../webhooks/webhooks-tab.js"))).WebhooksTab,
}));
const BillingTab = lazy(async () => ({
  default: (await loadPart(() => import("./billing-tab.js"))).BillingTab,
}));

const route = getRouteApi("/app/organizations/$orgId/settings");

export function OrganizationSettingsPage(): ReactElement {
  const { orgId } = route.useParams();
  const { tab = "general", forge } = route.useSearch();
  const navigate = useNavigate();
  const { data: organization } = useLoaded(organizationQuery(orgId));
  const refusal = useDenyReason(orgId);
  return (
    <Page
      title={`Organization: ${organization.name}`}
      crumb="Settings"
      documentTitle={`Settings of ${organization.name}`}
      crumbs={[
        <CrumbLink key="organizations" {...paths.organizations()}>
          Organizations
        </CrumbLink>,
        <CrumbLink key="organization" {...paths.organization(orgId)}>
          <PlainText value={organization.name} />
        </CrumbLink>,
      ]}
      description={
        <>
          Slug: <code className="font-mono text-[13px]">{organization.slug}</code>
        </>
      }
    >
      <ArchivedBanner organization={organization} />
      <Tabs<OrganizationTab>
        label="Organization settings"
        value={tab}
        onChange={(next) =>
          void navigate({ ...paths.organizationSettings(orgId, { tab: next }), replace: true })
        }
        tabs={[
          {
            value: "general",
            label: "General",
            // A form starts from saved values; the key remounts it for another organization.
            content: (
              <GeneralTab key={organization.id} organization={organization} refusal={refusal} />
            ),
          },
          {
            value: "resources",
            label: "Resources",
            content: (
              <Suspense fallback={<Skeleton />}>
                <ResourcesTab key={organization.id} organization={organization} refusal={refusal} />
              </Suspense>
            ),
          },
          {
            value: "members",
            label: "Members",
            content: (
              <Suspense fallback={<Skeleton />}>
                <MembersTab organization={organization} refusal={refusal} />
              </Suspense>
            ),
          },
          {
            value: "billing",
            label: "Billing",
            content: (
              <Suspense fallback={<Skeleton />}>
                <BillingTab key={organization.id} organization={organization} refusal={refusal} />
              </Suspense>
            ),
          },
          {
            value: "service-accounts",
            label: "Service accounts",
            content: (
              <Suspense fallback={<Skeleton />}>
                <ServiceAccountsTab organization={organization} refusal={refusal} />
              </Suspense>
            ),
          },
          {
            value: "forges",
            label: "Forges",
            content: (
              <Suspense fallback={<Skeleton />}>
                <ForgesTab orgId={organization.id} refusal={refusal} outcome={forge} />
              </Suspense>
            ),
          },
          {
            value: "webhooks",
            label: "Webhooks",
            content: (
              <Suspense fallback={<Skeleton />}>
                <WebhooksTab orgId={organization.id} refusal={refusal} />
              </Suspense>
            ),
          },
          {
            value: "audit",
            label: "Audit",
            content: (
              <Suspense fallback={<Skeleton />}>
                <AuditTab orgId={organization.id} refusal={refusal} />
              </Suspense>
            ),
          },
        ]}
      />
    </Page>
  );
}
