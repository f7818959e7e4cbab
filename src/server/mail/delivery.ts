import { randomBytes } from "node:crypto";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTransport } from "nodemailer";
import MimeNode from "nodemailer/lib/mime-node";
import type { Sender, SmtpServer } from "../config/mail-settings.js";

/** A mail that is ready to go: all of it on one line each but the text. */
export interface Letter {
  /** The same for each try, so that whoever gets it twice sees it once. */
  messageId: string;
  to: string;
  subject: string;
  text: string;
}

/** What a failed delivery tells besides its message. */
export interface DeliveryError {
  code?: string;
  /** What the mail server answered, such as 550. */
  responseCode?: number;
}

/** Hands a letter on; gives what the log says of it. */
export type Deliver = (letter: Letter, from: Sender) => Promise<{ file?: string }>;

/** Whether the server refused the recipient or the mail for good: another try would be refused, too. */
export function isRefusedForGood({ code, responseCode = 0 }: DeliveryError): boolean {
  return (code === "EENVELOPE" || code === "EMESSAGE") && responseCode >= 500;
}

/** By SMTP. */
export function smtpDelivery(server: SmtpServer): Deliver {
  const isLocal = ["localhost", "127.0.0.1", "::1"].includes(server.host);
  const transport = createTransport({
    host: server.host,
    port: server.port,
    secure: server.secure,
    // A password travels encrypted, or not at all.
    requireTLS: server.credentials !== null && !isLocal,
    ...(server.credentials === null ? {} : { auth: server.credentials }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return async ({ messageId, to, subject, text }, from) => {
    await transport.sendMail({
      messageId,
      from,
      // As an object: nothing in it is read as a list of addresses.
      to: { name: "", address: to },
      envelope: { from: from.address, to: [to] },
      subject,
      text,
      headers: { "Auto-Submitted": "auto-generated" },
    });
    return {};
  };
}

/** Into a folder that only the operator reads, one file a mail, where no mail server is set. */
export function outboxDelivery(folder: string): Deliver {
  return async ({ messageId, to, subject, text }, from) => {
    const head = new MimeNode("text/plain; charset=utf-8");
    head.setHeader({
      From: from,
      To: { name: "", address: to },
      Subject: subject,
      "Message-ID": messageId,
      "Auto-Submitted": "auto-generated",
      // As it is, not quoted-printable: whoever opens the file wants to copy the link.
      "Content-Transfer-Encoding": "8bit",
    });
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await chmod(folder, 0o700);
    const time = new Date().toISOString().replaceAll(/[:.]/g, "-");
    const file = join(folder, `${time}-${randomBytes(6).toString("hex")}.eml`);
    const mail = `${head.buildHeaders()}\r\n\r\n${text}`.replaceAll(/\r\n?/g, "\n");
    await writeFile(`${file}.part`, mail, { mode: 0o600, flag: "wx", flush: true });
    await rename(`${file}.part`, file);
    return { file };
  };
}
