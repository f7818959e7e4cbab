import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { paths } from "../../../paths/paths.js";
import { Badge, StatusDot } from "../../../ui/feedback/badge.js";
import { Button, buttonClass } from "../../../ui/actions/button.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { formatNumber } from "../../../ui/text/number.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { notify } from "../../../ui/feedback/toast.js";
import { switchOrganization } from "../../../access/current-organization.js";
import { archivedReason } from "../../../access/permissions.js";
import { membersText } from "./members-text.js";
import { UsageLine } from "../parts/usage/usage.js";

/** Roles without any permission on settings. */
const withoutSettings: ReadonlySet<string> = new Set(["member", "viewer", "agent_executor"]);

interface OrganizationCardProps {
  organization: OrganizationItem;
  isCurrent: boolean;
  isOwn: boolean;
}

export function OrganizationCard({
  organization,
  isCurrent,
  isOwn,
}: OrganizationCardProps): ReactElement {
  const { id, name } = organization;
  const about = visible(name);
  const handleSwitch = (): void => {
    switchOrganization(id);
    notify(`Switched to ${about}`);
  };
  return (
    <Card
      title={
        <>
          <span className="font-normal text-muted">Organization: </span>
          <PlainText value={name} />
        </>
      }
      actions={isCurrent && <Badge tone="accent">Current</Badge>}
      footer={
        <>
          <Link
            {...paths.organization(id)}
            aria-label={`View ${about}`}
            className={buttonClass("secondary", "sm")}
          >
            View
          </Link>
          {!withoutSettings.has(organization.role) && (
            <Link
              {...paths.organizationSettings(id)}
              aria-label={`Settings of ${about}`}
              className={buttonClass("secondary", "sm")}
            >
              Settings
            </Link>
          )}
          <Button
            size="sm"
            aria-label={`Switch to ${about}`}
            disabledReason={
              !organization.is_active
                ? archivedReason
                : isCurrent
                  ? "You are working in this organization already."
                  : undefined
            }
            onClick={handleSwitch}
          >
            Switch
          </Button>
        </>
      }
    >
      <Details
        rows={{
          Slug: <code className="font-mono text-[13px]">{organization.slug}</code>,
          Status: organization.is_active ? (
            <StatusDot tone="good">Active</StatusDot>
          ) : (
            <StatusDot tone="neutral">Archived</StatusDot>
          ),
          Owner: isOwn ? "You ✓" : <PlainText value={organization.owner.email} />,
          Members: membersText(organization.counts),
          Projects: formatNumber(organization.counts.projects),
          "Resource Usage": <UsageLine usage={organization.usage} />,
        }}
      />
    </Card>
  );
}
