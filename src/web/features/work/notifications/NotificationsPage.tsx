import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useLoaded } from "../../../api/use-loaded.js";
import { notificationSettingsQuery } from "../../../api/queries/work/notifications.js";
import { paths } from "../../../paths/paths.js";
import { Alert } from "../../../ui/feedback/alert.js";
import { Page } from "../../../ui/layout/page.js";
import { ChoicesCard } from "./choices-card.js";
import { DeliveriesCard } from "./deliveries-card.js";
import { WebhookCard } from "./webhook-card.js";

export function NotificationsPage(): ReactElement {
  const { data: settings } = useLoaded(notificationSettingsQuery);
  const { is_sent, is_verified } = settings.email;
  return (
    <Page
      title="Notifications"
      width="narrow"
      description="What needs you, and how you hear of it."
    >
      {!is_verified ? (
        <Alert tone="warn">
          You get no notifications by email until your address is confirmed.{" "}
          <Link {...paths.profile()} className="underline">
            Confirm it in your profile
          </Link>
          .
        </Alert>
      ) : (
        !is_sent && (
          <Alert tone="info">
            No mail server is set up: emails stay in the outbox folder of the server’s data
            directory. Webhooks work.
          </Alert>
        )
      )}
      <ChoicesCard settings={settings} />
      <WebhookCard webhook={settings.webhook} />
      <DeliveriesCard />
    </Page>
  );
}
