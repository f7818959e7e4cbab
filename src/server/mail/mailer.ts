import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { z } from "zod";
import type { JobData, Jobs } from "../jobs/queue.js";
import { isPermanentFailure, type Deliver, type DeliveryError, type Email } from "./delivery.js";
import { purposes, encrypt, decrypt } from "../encrypt.js";
import type { Sender } from "../config/mail-settings.js";

export interface Message {
  to: string;
  subject: string;
  text: string;
  /** The page where its recipient ends such emails; a link of this server. */
  unsubscribe?: string;
}

/** Sends plain-text email in the background, so that a slow or dead mail server blocks no request. */
export interface Mailer {
  /**
   * Resolves once the email is stored in the queue, which survives a restart.
   * @param id a UUID, with which an email is stored once while it waits, and its copies have the same Message-ID
   */
  send(message: Message, id?: string): Promise<void>;
}

interface MailerDeps {
  jobs: Jobs;
  secret: string;
  deliver: Deliver;
  from: () => Sender;
  log: Logger;
}

/** Creates the mailer and the handler of `send-mail` jobs, for processes that deliver. */
export function createMailer(deps: MailerDeps): Mailer & {
  runSendMail(data: JobData["send-mail"], signal: AbortSignal): Promise<void>;
} {
  const { jobs, secret, log } = deps;
  return {
    send: async ({ to, subject, text, unsubscribe }, id) => {
      const email: Email = {
        messageId: `<${id ?? randomUUID()}@${deps.from().address.split("@")[1]}>`,
        to: recipient.parse(to),
        subject: toSingleLine(subject),
        text,
        ...(unsubscribe === undefined ? {} : { unsubscribe }),
      };
      await jobs.send("send-mail", { sealed: encryptEmail(secret, email) }, id);
    },

    runSendMail: async ({ sealed }, signal) => {
      const plain = decrypt(secret, purposes.queuedMail, "", Buffer.from(sealed, "base64url"));
      if (!plain) throw new Error("a queued email was encrypted with another secret");
      const email = JSON.parse(plain.toString("utf8")) as Email;
      const { to, subject } = email;
      try {
        const done = await orStopped(deps.deliver(email, deps.from()), signal);
        log.info(
          { to, subject, ...done },
          done.file ? "email written to the outbox" : "email sent",
        );
      } catch (error) {
        // Not the error itself: the server's reply may repeat the message.
        const { code, responseCode } = error as DeliveryError;
        const said = { to, subject, code, responseCode };
        if (isPermanentFailure(error as DeliveryError)) {
          log.error(said, "the mail server rejected an email permanently");
          return;
        }
        log.warn(said, "an email could not be delivered; retrying for about an hour");
        // oxlint-disable-next-line preserve-caught-error -- the queue's table would store the cause
        throw new Error(`the email could not be delivered (${code ?? "stopped"})`);
      }
    },
  };
}

/**
 * Encrypts an email for the queue's table: it may contain one-time links, which a backup must not
 * expose.
 */
export function encryptEmail(secret: string, email: Email): string {
  return encrypt(secret, purposes.queuedMail, "", Buffer.from(JSON.stringify(email))).toString(
    "base64url",
  );
}

const recipient = z.email().max(254);

/** Replaces line breaks by spaces: a header is a single line. */
function toSingleLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
}

/**
 * Resolves with the work, or rejects once the server has to stop; work in progress ends with the
 * process.
 */
async function orStopped<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let stop = (): void => {};
  const stopped = new Promise<never>((_resolve, reject) => {
    stop = () => reject(new Error("the server is stopping"));
  });
  signal.addEventListener("abort", stop);
  try {
    return await Promise.race([work, stopped]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}
