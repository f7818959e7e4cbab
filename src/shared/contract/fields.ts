import { z } from "zod";
import { isUuid } from "../uuid.js";
import "./messages.js";

/** Field rules that several calls share (contract, *Conventions*). */

// PostgreSQL's text cannot hold NUL, and no name or description means anything by one.
const noNul = (text: string): boolean => !text.includes("\u0000");

export const id = z.uuid("must be a UUID");
/** A time in an answer: UTC, in milliseconds. */
export const timestamp = z.iso.datetime({ precision: 3 });

const notATime = "must be an RFC 3339 time between the years 1 and 9999";

/**
 * A time in a request, with any offset. It is read as the same time in UTC and in milliseconds, which
 * the database can hold.
 */
export const instant = z.iso
  .datetime({ offset: true, message: notATime })
  .transform((text, context) => {
    const time = new Date(text);
    const utc = Number.isNaN(time.getTime()) ? "" : time.toISOString();
    if (/^(?!0000)\d{4}-/.test(utc)) return utc;
    context.issues.push({ code: "custom", message: notATime, input: text });
    return z.NEVER;
  });
export const name = z.string().trim().min(1).max(255).refine(noNul, "must not contain NUL");
export const description = z.string().max(2000).refine(noNul, "must not contain NUL");
export const email = z
  .email("must be an e-mail address")
  .max(254)
  .transform((value) => value.toLowerCase());

/** Words that are paths of the web app or the API, or would read as if they were. */
export const reservedSlugs: ReadonlySet<string> = new Set([
  ..."new settings api admin organizations organization projects project agents agent".split(" "),
  ..."login logout register auth git docs static assets public invitations invitation".split(" "),
  ..."me user users account billing members roles keys api-keys healthz readyz metrics".split(" "),
  ..."omoi system root null undefined www support help about edit create delete switch".split(" "),
  "slug-availability",
]);

/** Why a slug is refused because of what it says, or null. */
export function reservedReason(slug: string): string | null {
  if (reservedSlugs.has(slug)) return `"${slug}" is reserved; choose another slug`;
  if (isUuid(slug)) return "a slug must not look like an id; choose another slug";
  return null;
}

export const slug = z
  .string()
  .min(2)
  .max(63)
  .regex(
    /^[a-z0-9]+(-[a-z0-9]+)*$/,
    "use a-z, 0-9 and single hyphens, with a letter or digit at both ends",
  );

/** Any JSON, of which nothing more is known; what was parsed as JSON is nothing else. */
export const jsonValue = z.custom<z.core.util.JSONType>();

/** A JSON object whose text is at most `bytes` long. */
export const jsonObject = (bytes: number) =>
  z
    .record(z.string(), jsonValue)
    // NUL is written as an escape, which an even number of backslashes before it does not undo.
    .refine(
      (value) => !/(?<!\\)(?:\\\\)*\\u0000/.test(JSON.stringify(value)),
      "must not contain NUL",
    )
    .refine(
      (value) => new TextEncoder().encode(JSON.stringify(value)).length <= bytes,
      `must be at most ${bytes / 1024} KiB of JSON`,
    );

/** A page of a list: `limit` rows after `cursor` (contract, *Lists*). */
export const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(200).default(100),
  // A branch's name may have 4 096 bytes, and a cursor holds it encoded.
  cursor: z.string().max(8192).optional(),
});

export const boolean = z.enum(["true", "false"]).transform((v) => v === "true");

/** What leads to an agent, and so to its workspace. */
export const agentParams = z.strictObject({ agent_id: id });

/** All 40 digits of a commit's id. */
export const commitId = z.string().regex(/^[0-9a-f]{40}$/, "must be a full commit id");
