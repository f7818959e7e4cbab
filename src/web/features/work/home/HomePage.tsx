import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { type ReactElement, useMemo, useRef } from "react";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { meQuery } from "../../../api/queries/identity/auth.js";
import { attentionQuery, workQuery } from "../../../api/queries/work/overview.js";
import { Await } from "../../../components/await.js";
import { useFilters } from "../../../lists/list-search.js";
import { RequireOrganization } from "../../organization/parts/require-organization.js";
import { homeSearchOf } from "../../../paths/address-search.js";
import { paths } from "../../../paths/paths.js";
import { buttonClass } from "../../../ui/actions/button.js";
import { ShortcutHelp } from "../../../ui/overlays/shortcuts.js";
import { Segments } from "../../../ui/fields/radio.js";
import { Page } from "../../../ui/layout/page.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { isItemOf, isWorkOf } from "./attention-sections.js";
import { FirstSteps } from "./first-steps.js";
import { NeedsYou } from "./needs-you.js";
import { Running } from "./running.js";
import { Today } from "./today.js";
import { useDismissal } from "./use-dismissal.js";

/** What a person looks at first: what needs them, what runs, and what was done today. */
export function HomePage(): ReactElement {
  return (
    <RequireOrganization title="Home">
      {(organization) => <Home key={organization.id} organization={organization} />}
    </RequireOrganization>
  );
}

function Home({ organization }: { organization: OrganizationItem }): ReactElement {
  const { id: orgId, name, counts } = organization;
  const [{ mine = false }, change] = useFilters(homeSearchOf);
  const { data: me } = useQuery(meQuery);
  const attention = useQuery(attentionQuery(orgId));
  const work = useQuery(workQuery(orgId, { running: "true" }));
  const { dismiss, dismissing } = useDismissal(orgId);
  const userId = me?.id;
  const { data: all } = attention;
  const waiting = useMemo(
    () => all?.filter((item) => !dismissing.has(item.key) && (!mine || isItemOf(userId, item))),
    [all, dismissing, mine, userId],
  );
  const rows = useRef<HTMLDivElement>(null);
  const running =
    work.data?.filter((row) => row.state === "working" && (!mine || isWorkOf(userId, row))) ?? [];
  const isNew = counts.agents === 0 && all?.length === 0;
  return (
    <Page
      title="Home"
      description={<PlainText value={name} />}
      actions={
        <>
          {!isNew && (
            <Segments
              legend="Whose work is shown"
              hideLegend
              value={mine ? "mine" : "everyone"}
              onChange={(value) => change({ mine: value === "mine" ? true : undefined })}
              options={[
                { value: "mine", label: "Mine" },
                { value: "everyone", label: "Everyone" },
              ]}
            />
          )}
          <ShortcutHelp />
          <Link {...paths.tasks()} className={buttonClass()}>
            All tasks
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
                // Another choice is another list, in the order of the server.
                key={String(mine)}
                organization={organization}
                userId={userId}
                items={items}
                running={work.isSuccess ? running.length : null}
                container={rows}
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
            <Today orgId={orgId} ofUser={mine ? (userId ?? "") : null} />
          </>
        )}
      </div>
    </Page>
  );
}
