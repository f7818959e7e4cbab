import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useRef } from "react";
import type { OrganizationItem } from "#shared/api/organizations/organizations.js";
import { attentionQuery, workQuery } from "../../api/queries/organization/overview.js";
import { Await } from "../../components/await.js";
import { RequireOrganization } from "../../components/organizations/require-organization.js";
import { paths } from "../../paths/paths.js";
import { buttonClass } from "../../ui/actions/button.js";
import { ShortcutHelp } from "../../ui/actions/shortcuts.js";
import { Page } from "../../ui/layout/page.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { FirstSteps } from "./first-steps.js";
import { NeedsYou } from "./needs-you.js";
import { Running } from "./running.js";
import { Today } from "./today.js";
import { useDismissal } from "./use-dismissal.js";
import { useRowKeys } from "./use-row-keys.js";

/** What a team lead looks at first: what waits for them, what runs, and what was done today. */
export function HomePage(): ReactElement {
  return (
    <RequireOrganization title="Home">
      {(organization) => <Home key={organization.id} organization={organization} />}
    </RequireOrganization>
  );
}

function Home({ organization }: { organization: OrganizationItem }): ReactElement {
  const { id: orgId, name, counts } = organization;
  const attention = useQuery(attentionQuery(orgId));
  const work = useQuery(workQuery(orgId, { running: "true" }));
  const { dismiss, isDismissing } = useDismissal(orgId);
  const waiting = attention.data?.filter(({ key }) => !isDismissing(key));
  const rows = useRef<HTMLDivElement>(null);
  useRowKeys(rows, (key) => {
    const item = waiting?.find((one) => one.key === key);
    if (item) dismiss(item);
  });
  const running = work.data?.filter(({ state }) => state === "working") ?? [];
  const isNew = counts.agents === 0 && waiting?.length === 0;
  return (
    <Page
      title="Home"
      description={<PlainText value={name} />}
      actions={
        <>
          <ShortcutHelp />
          <Link {...paths.agents()} className={buttonClass()}>
            All agents
          </Link>
        </>
      }
    >
      <div ref={rows} className="flex flex-col gap-8">
        <Await
          query={{ data: waiting, error: attention.error, refetch: attention.refetch }}
          rows={2}
          what="The list of what needs you"
        >
          {(items) =>
            isNew ? (
              <FirstSteps hasProject={counts.projects > 0} />
            ) : (
              <NeedsYou
                organization={organization}
                items={items}
                running={work.isSuccess ? running.length : null}
                onDismiss={dismiss}
              />
            )
          }
        </Await>
        {!isNew && (
          <>
            <Await query={work} rows={2} what="The running work">
              {() => <Running work={running} readAt={work.dataUpdatedAt} />}
            </Await>
            <Today orgId={orgId} />
          </>
        )}
      </div>
    </Page>
  );
}
