import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { z } from "zod";
import type { JobData, Jobs } from "../jobs/queue.js";
import { isRefusedForGood, type Deliver, type DeliveryError, type Letter } from "./delivery.js";
import { purposes, encrypt, decrypt } from "../encrypt.js";
import type { Sender } from "../config/mail-settings.js";

export interface Message {
  to: string;
  subject: string;
  text: string;
}

/** Sends plain text mail in the background: a slow or dead mail server holds nobody up. */
export interface Mailer {
  /** Settles once the mail is in the queue, where no restart loses it. */
  send(message: Message): Promise<void>;
}

interface MailerDeps {
  jobs: Jobs;
  secret: string;
  deliver: Deliver;
  from: () => Sender;
  log: Logger;
}

/** The mailer, and the work that `send-mail` is: run it in the processes that deliver. */
export function createMailer(deps: MailerDeps): Mailer & {
  runSendMail(data: JobData["send-mail"], signal: AbortSignal): Promise<void>;
} {
  const { jobs, secret, log } = deps;
  return {
    send: async ({ to, subject, text }) => {
      const letter: Letter = {
        messageId: `<${randomUUID()}@${deps.from().address.split("@")[1]}>`,
        to: recipient.parse(to),
        subject: onOneLine(subject),
        text,
      };
      await jobs.send("send-mail", { sealed: encryptLetter(secret, letter) });
    },

    runSendMail: async ({ sealed }, signal) => {
      const plain = decrypt(secret, purposes.queuedMail, "", Buffer.from(sealed, "base64url"));
      if (!plain) throw new Error("a queued mail was sealed by another secret");
      const letter = JSON.parse(plain.toString("utf8")) as Letter;
      const { to, subject } = letter;
      try {
        const done = await orStopped(deps.deliver(letter, deps.from()), signal);
        log.info({ to, subject, ...done }, done.file ? "mail written to the outbox" : "mail sent");
      } catch (error) {
        // Never the error itself: what a server answers may repeat what it was sent.
        const { code, responseCode } = error as DeliveryError;
        const said = { to, subject, code, responseCode };
        if (isRefusedForGood(error as DeliveryError)) {
          log.error(said, "a mail was refused by the mail server and is given up");
          return;
        }
        log.warn(said, "a mail was not delivered; it is tried again for about an hour");
        // oxlint-disable-next-line preserve-caught-error -- the queue's table would keep the cause
        throw new Error(`the mail was not delivered (${code ?? "stopped"})`);
      }
    },
  };
}

/** A letter as it waits in the queue's table: it holds one-time links, which a backup must not give away. */
export function encryptLetter(secret: string, letter: Letter): string {
  return encrypt(secret, purposes.queuedMail, "", Buffer.from(JSON.stringify(letter))).toString(
    "base64url",
  );
}

const recipient = z.email().max(254);

/** A header is one line; whatever would end it, or a line of the text by other means, is a space. */
function onOneLine(text: string): string {
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ").trim();
}

/** The work, or a rejection once the server has to stop; what is under way ends with the process. */
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
