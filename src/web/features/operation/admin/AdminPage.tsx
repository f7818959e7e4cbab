import { getRouteApi, useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { AdminTab } from "../../../paths/address-search.js";
import { paths } from "../../../paths/paths.js";
import { Page } from "../../../ui/layout/page.js";
import { Tabs } from "../../../ui/layout/tabs.js";
import { EventsTab } from "./events-tab.js";
import { MaintenanceTab } from "./maintenance-tab.js";
import { RunnersTab } from "./runners-tab.js";
import { ServersTab } from "./servers/servers-tab.js";
import { UsageTab } from "./usage-tab.js";
import { UsersTab } from "./users-tab.js";

const route = getRouteApi("/app/admin");

/** Users, usage and events of the installation, for super admins. */
export function AdminPage(): ReactElement {
  const { tab = "users" } = route.useSearch();
  const navigate = useNavigate();
  return (
    <Page
      title="Installation"
      description="For super admins: all users, organizations, servers and runners."
    >
      <Tabs<AdminTab>
        label="Installation"
        value={tab}
        onChange={(next) => void navigate({ ...paths.admin({ tab: next }), replace: true })}
        tabs={[
          { value: "users", label: "Users", content: <UsersTab /> },
          { value: "usage", label: "Usage", content: <UsageTab /> },
          { value: "servers", label: "Servers", content: <ServersTab /> },
          { value: "runners", label: "Runners", content: <RunnersTab /> },
          { value: "maintenance", label: "Maintenance", content: <MaintenanceTab /> },
          { value: "audit", label: "Audit", content: <EventsTab /> },
        ]}
      />
    </Page>
  );
}
