import { isIP } from "node:net";
import { z } from "zod";

/** Mail submission server (OMOI_SMTP_URL). */
export interface SmtpServer {
  host: string;
  port: number;
  /** TLS from the first byte (`smtps://`). Otherwise STARTTLS, if the server offers it. */
  secure: boolean;
  credentials: { user: string; pass: string } | null;
}

/** From address of every email (OMOI_MAIL_FROM). */
export interface Sender {
  name: string;
  address: string;
}

/** For example `smtp://user:password@mail.example.com:587`. */
export const smtpServer = z.string().transform((text, context): SmtpServer => {
  const server = parseSmtpUrl(text);
  if (server) return server;
  context.addIssue({
    code: "custom",
    message:
      "must be an address such as smtp://user:password@mail.example.com:587 or smtps://…:465; write what is special in the password as %40 and the like",
  });
  return z.NEVER;
});

function parseSmtpUrl(text: string): SmtpServer | null {
  const url = URL.canParse(text) ? new URL(text) : null;
  const secure = url?.protocol === "smtps:";
  if (!url || (!secure && url.protocol !== "smtp:")) return null;
  const isPlain = ["", "/"].includes(url.pathname) && url.search === "" && url.hash === "";
  if (!isPlain || url.hostname === "" || (url.username === "") !== (url.password === "")) {
    return null;
  }
  try {
    return {
      host: url.hostname.replace(/^\[|\]$/g, ""),
      port: url.port === "" ? (secure ? 465 : 587) : Number(url.port),
      secure,
      credentials:
        url.username === ""
          ? null
          : { user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) },
    };
  } catch {
    // Malformed percent-encoding.
    return null;
  }
}

const address = z.email().max(254);

/** `Omoi <omoi@example.com>`, or the bare address. */
export const sender = z.string().transform((text, context): Sender => {
  const [, name = "", inBrackets, alone] = /^(?:([^<>]*)<([^<>]+)>|([^<>]+))$/.exec(text) ?? [];
  const found = address.safeParse((inBrackets ?? alone ?? "").trim());
  if (found.success && !/[\u0000-\u001f\u007f]/.test(name)) {
    return { name: name.trim().replaceAll(/^"|"$/g, ""), address: found.data };
  }
  context.addIssue({
    code: "custom",
    message: `must be one address such as Omoi <omoi@example.com>, not ${JSON.stringify(text)}`,
  });
  return z.NEVER;
});

/** Returns the sender to use without OMOI_MAIL_FROM. Its domain is the host of the public address. */
export function defaultSender(publicUrl: string): Sender {
  const { hostname } = new URL(publicUrl);
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
  return { name: "Omoi", address: `omoi@${isAddress ? "localhost" : hostname}` };
}
