import { getRouteApi } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { nodeQuery } from "../../../../api/queries/operation/admin.js";
import { useLoaded } from "../../../../api/use-loaded.js";
import { CrumbLink } from "../../../../components/crumb-link.js";
import { paths } from "../../../../paths/paths.js";
import { Card, Details } from "../../../../ui/layout/card.js";
import { Page } from "../../../../ui/layout/page.js";
import { formatNumber } from "../../../../ui/text/number.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";
import { DrainButton } from "./drain-button.js";
import { ServerProjects } from "./server-projects.js";
import { freeDiskOf, loadOf, ServerStatus } from "./server-state.js";

const route = getRouteApi("/app/admin/servers/$nodeId");

/** A server with its projects, which super admins move to other servers. */
export function AdminServerPage(): ReactElement {
  const { nodeId } = route.useParams();
  const { data: node } = useLoaded(nodeQuery(nodeId));
  const crumbs = [
    <CrumbLink key="admin" {...paths.admin({ tab: "servers" })}>
      Installation
    </CrumbLink>,
  ];
  return (
    <Page title={node.name} crumbs={crumbs} actions={<DrainButton node={node} />}>
      <Card title="Server">
        <Details
          columns={2}
          rows={{
            Status: <ServerStatus node={node} />,
            "Lease until":
              node.lease_until === null ? "Never had one" : <Time value={node.lease_until} />,
            "Free disk": freeDiskOf(node),
            Load: loadOf(node),
            Projects: formatNumber(node.projects),
            "Runs in progress": formatNumber(node.running),
            Host: node.host === null ? "–" : <PlainText value={node.host} />,
            Address: node.url === null ? "None" : <PlainText value={node.url} />,
            Version: node.version ?? "–",
            Started: node.started_at === null ? "Never" : <Time value={node.started_at} />,
          }}
        />
      </Card>
      <ServerProjects key={node.id} node={node} />
    </Page>
  );
}
