import { randomUUID } from "node:crypto";
import type { Sender, SmtpServer } from "../../../../config/mail-settings.js";
import { smtpDelivery, tryMailServer } from "../../../../mail/delivery.js";
import { CHECK_MS } from "../limits.js";
import type { Check } from "#shared/node/doctor-check.js";

/**
 * The mail server.
 * @param to the address that gets a test email; null sends none
 */
export function mail(server: SmtpServer | null, from: () => Sender, to: string | null): Check {
  return {
    name: "mail",
    tried:
      to === null
        ? "Connect to the mail server and sign in, without sending"
        : `Send an email to ${to}`,
    cure: "Check OMOI_SMTP_URL: host, port, smtp:// or smtps://, user and password.",
    limitMs: CHECK_MS,
    run: async () => {
      if (server === null) {
        return {
          status: "warning",
          seen: "no mail server is configured: emails are files in the folder outbox",
          cure: "Set OMOI_SMTP_URL and OMOI_MAIL_FROM, and restart Omoi.",
        };
      }
      const place = `${server.host}:${server.port}`;
      if (to === null) {
        await tryMailServer(server);
        return { status: "ok", seen: `${place} accepts the sign-in` };
      }
      const sender = from();
      const email = {
        messageId: `<${randomUUID()}@${sender.address.split("@")[1]}>`,
        to,
        subject: "Test of omoi doctor",
        text: "This email was sent by omoi doctor. Mail from Omoi arrives.\n",
      };
      await smtpDelivery(server)(email, sender);
      return { status: "ok", seen: `${place} accepted an email from ${sender.address}` };
    },
  };
}
