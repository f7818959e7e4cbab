import { isIP } from "node:net";
import { z } from "zod";

/** Where mail is handed in (OMOI_SMTP_URL). */
export interface SmtpServer {
  host: string;
  port: number;
  /** TLS from the first byte (`smtps://`); else by STARTTLS where the server offers it. */
  secure: boolean;
  credentials: { user: string; pass: string } | null;
}

/** Who mail comes from. */
export interface Sender {
  name: string;
  address: string;
}

/** The server that an address such as `smtp://user:password@mail.example.com:587` means; null for another. */
export function smtpServerOf(text: string): SmtpServer | null {
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
    // A percent sign that encodes nothing.
    return null;
  }
}

const address = z.email().max(254);

/** `Omoi <omoi@example.com>`, or the address alone; null for anything else. */
export function senderOf(text: string): Sender | null {
  const [, name = "", inBrackets, alone] = /^(?:([^<>]*)<([^<>]+)>|([^<>]+))$/.exec(text) ?? [];
  const found = address.safeParse((inBrackets ?? alone ?? "").trim());
  if (!found.success || /[\u0000-\u001f\u007f]/.test(name)) return null;
  return { name: name.trim().replaceAll(/^"|"$/g, ""), address: found.data };
}

/** Who mail comes from where nothing is set: by the host of the public address. */
export function defaultSender(publicUrl: string): Sender {
  const { hostname } = new URL(publicUrl);
  const isAddress = isIP(hostname.replace(/^\[|\]$/g, "")) !== 0;
  return { name: "Omoi", address: `omoi@${isAddress ? "localhost" : hostname}` };
}
