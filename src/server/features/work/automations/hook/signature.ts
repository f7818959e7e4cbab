import { createHmac, timingSafeEqual } from "node:crypto";

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** How far the time of a signature may differ from the server's, in seconds. */
const TOLERANCE_SECONDS = 300;

const single = (headers: Headers, name: string): string | null => {
  const value = headers[name];
  return typeof value === "string" && value !== "" ? value : null;
};

function areEqual(one: string, other: string): boolean {
  const [first, second] = [Buffer.from(one), Buffer.from(other)];
  return first.length === second.length && timingSafeEqual(first, second);
}

/**
 * Whether a body is signed with a secret: by the headers of Standard Webhooks, whose time must be near, or by
 * `X-Hub-Signature-256`.
 */
export function isSigned(secret: string, headers: Headers, body: Buffer, now: Date): boolean {
  const hub = single(headers, "x-hub-signature-256");
  const signatures = single(headers, "webhook-signature");
  if (signatures !== null) return isStandard(secret, headers, { signatures, body, now });
  if (hub === null) return false;
  return areEqual(hub, `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`);
}

function isStandard(
  secret: string,
  headers: Headers,
  { signatures, body, now }: { signatures: string; body: Buffer; now: Date },
): boolean {
  const id = single(headers, "webhook-id");
  const timestamp = single(headers, "webhook-timestamp");
  if (id === null || timestamp === null || !/^\d{1,12}$/.test(timestamp)) return false;
  if (Math.abs(now.getTime() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key)
    .update(`${id}.${timestamp}.`)
    .update(body)
    .digest("base64");
  return signatures
    .split(" ")
    .slice(0, 10)
    .some((signature) => areEqual(signature, `v1,${expected}`));
}

/** Returns the sender's id of a message, which repetitions keep; null without one. */
export function messageIdOf(headers: Headers): string | null {
  const id =
    single(headers, "idempotency-key") ??
    single(headers, "webhook-id") ??
    single(headers, "x-github-delivery");
  return id === null || id.length > 255 ? null : id;
}
