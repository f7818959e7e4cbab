import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AdminUserDetail } from "#shared/api/operation/admin.js";
import { useLoaded } from "../../../api/use-loaded.js";
import { paths } from "../../../paths/paths.js";
import { Badge } from "../../../ui/feedback/badge.js";
import { Card, Details } from "../../../ui/layout/card.js";
import { formatNumber } from "../../../ui/text/number.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { Table } from "../../../ui/tables/table.js";
import { Time } from "../../../ui/text/time.js";
import { CrumbLink } from "../../../components/crumb-link.js";
import { adminUserQuery } from "../../../api/queries/operation/admin.js";
import { UserActions } from "./user-actions.js";
import { UserState } from "./user-state.js";

const route = getRouteApi("/app/admin/users/$userId");

/** A user, with a super admin's actions. */
export function AdminUserPage(): ReactElement {
  const { userId } = route.useParams();
  const { data: user } = useLoaded(adminUserQuery(userId));
  const crumbs = [
    <CrumbLink key="admin" {...paths.admin()}>
      Installation
    </CrumbLink>,
  ];
  return (
    <Page
      title={visible(user.full_name ?? user.email)}
      documentTitle={user.full_name ?? user.email}
      crumbs={crumbs}
      width="narrow"
    >
      <Card title="Account">
        <Details
          rows={{
            Email: <PlainText value={user.email} />,
            State: <UserState user={user} />,
            "Email confirmed": user.is_verified ? "Yes" : "No",
            "Second factor": user.has_second_factor ? "On" : "Off",
            Sessions: formatNumber(user.sessions),
            "API Keys": formatNumber(user.api_keys),
            Created: <Time value={user.created_at} dateOnly />,
            "Last sign-in":
              user.last_login_at === null ? "Never" : <Time value={user.last_login_at} />,
          }}
        />
      </Card>
      <Memberships user={user} />
      <UserActions key={user.id} user={user} />
    </Page>
  );
}

function Memberships({ user }: { user: AdminUserDetail }): ReactElement {
  return (
    <Card title="Organizations">
      {user.memberships.length === 0 ? (
        <p className="text-muted">In no organization.</p>
      ) : (
        <div className="-m-4">
          <Table
            label="Organizations"
            rows={user.memberships}
            rowKey={({ organization_id }) => organization_id}
            columns={[
              {
                name: "Organization",
                renderCell: ({ organization_name }) => <PlainText value={organization_name} />,
              },
              {
                name: "Role",
                renderCell: ({ role_name, is_last_owner }) => (
                  <>
                    {role_name} {is_last_owner && <Badge tone="warn">Last owner</Badge>}
                  </>
                ),
              },
            ]}
          />
        </div>
      )}
    </Card>
  );
}
