import { z } from "zod";
import { isUuid } from "../uuid.js";
import { mergeStrategies } from "../code/workspace-choices.js";
import "./messages.js";

/** Field schemas shared by several endpoints. */

// PostgreSQL's text type cannot store NUL.
const noNul = (text: string): boolean => !text.includes("\u0000");

export const id = z.uuid("must be a UUID");
/** A time in a response: UTC with milliseconds. */
export const timestamp = z.iso.datetime({ precision: 3 });

const notATime = "must be an RFC 3339 time between the years 1 and 9999";

/**
 * A time in a request, with any offset; converted to UTC with milliseconds, as stored in the
 * database.
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
  .email("must be an email address")
  .max(254)
  .transform((value) => value.toLowerCase());

/** Words that are paths of the web app or the API, or look like them. */
export const reservedSlugs: ReadonlySet<string> = new Set([
  ..."new settings api admin organizations organization projects project agents agent".split(" "),
  ..."login logout register auth git docs static assets public invitations invitation".split(" "),
  ..."me user users account billing members roles keys api-keys healthz readyz metrics".split(" "),
  ..."omoi system root null undefined www support help about edit create delete switch".split(" "),
  "slug-availability",
]);

/** Returns why a slug is reserved, or null. */
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

/** Any JSON value. */
export const jsonValue = z.custom<z.core.util.JSONType>();

/** A JSON object with a text of at most `bytes` bytes. */
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

/** Pagination of a list: `limit` rows after `cursor`. */
export const page = z.strictObject({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(200)
    .default(100)
    .describe("Maximum number of rows, 1 to 200"),
  // A branch name may have 4 096 bytes, and a cursor contains it encoded.
  cursor: z
    .string()
    .max(8192)
    .optional()
    .describe("Where the page begins: opaque, from the `Link` header of the page before"),
});

/** The query of an event stream. */
export const eventStreamQuery = z.strictObject({
  last_event_id: z
    .string()
    .max(100)
    .optional()
    .describe(
      "Same as the header Last-Event-ID, which web pages cannot set: resumes after this event",
    ),
});

export const boolean = z.enum(["true", "false"]).transform((v) => v === "true");

/** Fields that may be null. */
export const nullable = {
  id: id.nullable(),
  integer: z.int().nullable(),
  number: z.number().nullable(),
  string: z.string().nullable(),
  timestamp: timestamp.nullable(),
};

/** Path parameters of an organization. */
export const orgParams = z.strictObject({
  org_id: z
    .string()
    .min(1)
    .max(63)
    .describe("Id or slug of the organization; a former slug works, too"),
});

/** Path parameters of a project. */
export const projectParams = z.strictObject({ project_id: id.describe("Id of the project") });

/** Path parameters of an agent and its workspace. */
export const agentParams = z.strictObject({ agent_id: id.describe("Id of the agent") });

/** The full 40 digits of a commit id. */
export const commitId = z.string().regex(/^[0-9a-f]{40}$/, "must be a full commit id");

/** How a merge resolves its conflicts. */
export const mergeStrategy = z.enum(
  mergeStrategies,
  `must be one of ${mergeStrategies.join(", ")}`,
);
