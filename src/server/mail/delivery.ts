import { randomBytes } from "node:crypto";
import { chmod, mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createTransport } from "nodemailer";
import MimeNode from "nodemailer/lib/mime-node";
import type { Sender, SmtpServer } from "../config/mail-settings.js";

/** An email ready for delivery. Every field but the text is a single line. */
export interface Email {
  /** Identical for each attempt, so that mail programs drop duplicates. */
  messageId: string;
  to: string;
  subject: string;
  text: string;
  /** The page where its recipient ends such emails. */
  unsubscribe?: string;
}

/** Details of a failed delivery. */
export interface DeliveryError {
  code?: string;
  /** The mail server's reply code, such as 550. */
  responseCode?: number;
}

/** Delivers an email and returns fields for the log line. */
export type Deliver = (email: Email, from: Sender) => Promise<{ file?: string }>;

/** Whether the server rejected the recipient or the message permanently. */
export function isPermanentFailure({ code, responseCode = 0 }: DeliveryError): boolean {
  return (code === "EENVELOPE" || code === "EMESSAGE") && responseCode >= 500;
}

/** The headers of every email: it is sent by a program, and where to end it (RFC 2369). */
const headersOf = ({ unsubscribe }: Email): Record<string, string> => ({
  "Auto-Submitted": "auto-generated",
  ...(unsubscribe === undefined ? {} : { "List-Unsubscribe": `<${unsubscribe}>` }),
});

/** Connects and signs in as for a delivery, and sends nothing. @throws DeliveryError */
export async function tryMailServer(server: SmtpServer): Promise<void> {
  const transport = transportTo(server);
  try {
    await transport.verify();
  } finally {
    transport.close();
  }
}

function transportTo(server: SmtpServer) {
  const isLocal = ["localhost", "127.0.0.1", "::1"].includes(server.host);
  return createTransport({
    host: server.host,
    port: server.port,
    secure: server.secure,
    // Credentials are sent only over TLS.
    requireTLS: server.credentials !== null && !isLocal,
    ...(server.credentials === null ? {} : { auth: server.credentials }),
    connectionTimeout: 10_000,
    greetingTimeout: 10_000,
    socketTimeout: 30_000,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/** Delivers by SMTP. */
export function smtpDelivery(server: SmtpServer): Deliver {
  const transport = transportTo(server);
  return async (email, from) => {
    const { messageId, to, subject, text } = email;
    await transport.sendMail({
      messageId,
      from,
      // As an object, so that it is not parsed as an address list.
      to: { name: "", address: to },
      envelope: { from: from.address, to: [to] },
      subject,
      text,
      headers: headersOf(email),
    });
    return {};
  };
}

/**
 * Writes each email to a file in a folder readable by the operator only, when no mail server is
 * configured.
 */
export function outboxDelivery(folder: string): Deliver {
  return async (email, from) => {
    const { messageId, to, subject, text } = email;
    const head = new MimeNode("text/plain; charset=utf-8");
    head.setHeader({
      From: from,
      To: { name: "", address: to },
      Subject: subject,
      "Message-ID": messageId,
      ...headersOf(email),
      // Not quoted-printable, so that a link can be copied from the file.
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
