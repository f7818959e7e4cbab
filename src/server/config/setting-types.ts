import { accessSync, constants } from "node:fs";
import { isAbsolute } from "node:path";
import { z } from "zod";
import { parseAllowedHost } from "#shared/execution/egress.js";
import { IMAGE_NAME } from "#shared/execution/names.js";
import type { UidRange } from "#sandbox/uid-range.js";
import { normalNetwork } from "#shared/node/networks.js";

/*
 * The types of settings: each parses the text of one variable. An error message continues a sentence
 * that begins with the variable's name. It never repeats a value that may hold a password.
 */
type Message = (issue: { input?: unknown }) => string;

const unlike =
  (requirement: string): Message =>
  ({ input }) =>
    `${requirement}, not "${String(input)}"`;

export const maxUid = 2 ** 31 - 2;

export function wholeNumber(min: number, max: number): z.ZodType<number, string> {
  const fits = (text: string): boolean =>
    /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max;
  return z
    .string()
    .refine(fits, { error: unlike(`must be a whole number from ${min} to ${max}`) })
    .transform(Number);
}

export function oneOf<const Value extends string>(...values: Value[]): z.ZodType<Value, string> {
  const choice = z.enum(values, { error: unlike(`must be one of ${values.join(", ")}`) });
  return z.string().pipe(choice as z.ZodType<Value, string>);
}

export const trueOrFalse = oneOf("true", "false").transform((text) => text === "true");

/** JSON in the form of a schema. */
export function json<Value>(schema: z.ZodType<Value>): z.ZodType<Value, string> {
  return z.string().transform((text, context): Value => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      context.addIssue({ code: "custom", message: "must be JSON" });
      return z.NEVER;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) return parsed.data;
    const [issue] = parsed.error.issues;
    const at = issue?.path.join(".") || "it";
    context.addIssue({ code: "custom", message: `is not valid: ${at}: ${issue?.message}` });
    return z.NEVER;
  });
}

export function pattern(expression: RegExp, requirement: string): z.ZodType<string, string> {
  return z.string().regex(expression, { error: unlike(requirement) });
}

const address = z.string().refine(
  (text) => {
    const url = URL.canParse(text) ? new URL(text) : null;
    return (
      url !== null &&
      ["http:", "https:"].includes(url.protocol) &&
      !url.search &&
      !url.hash &&
      !url.username
    );
  },
  { error: unlike("must be an http(s) address such as https://omoi.example.com"), abort: true },
);

/** An HTTP address without trailing slashes. */
export const webAddress = address.transform((text) => new URL(text).href.replace(/\/+$/, ""));

/** Returns the entries of a comma-separated list. Empty entries are skipped. */
const entriesOf = (text: string): string[] =>
  text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");

/** A comma-separated list of origins, compared character by character with the header `Origin`. */
export const origins = z
  .string()
  .transform(entriesOf)
  .pipe(
    z.array(
      z.string().refine((text) => URL.canParse(text) && new URL(text).origin === text, {
        error: unlike('must list origins separated by ",", such as https://app.example.com'),
      }),
    ),
  );

/** The address of the pages, the API and git, all served at the root of a host. */
export const publicAddress = webAddress.refine((text) => new URL(text).pathname === "/", {
  error: ({ input }) => {
    const { origin, pathname } = new URL(String(input));
    return `must have no path, since Omoi serves at the root of a host; give it a host name of its own, such as ${origin}, instead of ${pathname}`;
  },
});

/** Keeps a trailing slash: identity providers compare issuers character by character. */
export const issuerAddress = address
  .transform((text) => new URL(text).href)
  .refine(
    (text) => {
      const { protocol, hostname } = new URL(text);
      return protocol === "https:" || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
    },
    { error: unlike("must begin with https:// (http:// only on this machine)") },
  );

/** Leaves out all servers but the first, which `URL` cannot parse. */
function withOneHost(text: string): string {
  return text.replace(/^([^/]*\/\/(?:[^/?#]*@)?[^/?#,]*),[^/?#]*/, "$1");
}

/** `postgres://` with one server or several: `host1:5432,host2:5432`. */
export const postgresUrl = z
  .string()
  .refine((text) => /^postgres(ql)?:\/\//.test(text) && URL.canParse(withOneHost(text)), {
    error: "must be an address such as postgres://user:password@host:5432/omoi",
  });

/** A colon-separated list. Empty entries are skipped. */
export const folders = z
  .string()
  .transform((text) => text.split(":").filter((entry) => entry !== ""))
  .pipe(
    z.array(
      z.string().refine(isAbsolute, {
        error: unlike('must list absolute folders separated by ":"'),
      }),
    ),
  );

/** A comma-separated list of host names, in lower case. */
export const hostNames = z
  .string()
  .toLowerCase()
  .transform(entriesOf)
  .pipe(
    z.array(
      z.string().refine(
        (text) => {
          const host = parseAllowedHost(text);
          return typeof host !== "string" && !host.isWildcard && host.name === text;
        },
        { error: unlike('must list host names separated by ",", such as npm.example.com') },
      ),
    ),
  );

export const readableFile = z
  .string()
  .refine(isAbsolute, { error: unlike("must be an absolute path"), abort: true })
  .refine(isReadable, {
    error: ({ input }) => `names a file that cannot be read: ${String(input)}`,
  });

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** CIDR networks in canonical form. Empty entries are skipped. */
export const networks = z
  .string()
  .transform((text) => text.split(",").filter((entry) => entry.trim() !== ""))
  .pipe(
    z.array(
      z.string().transform((entry, context) => {
        const network = normalNetwork(entry.trim());
        if (network !== null) return network;
        const message = `must list networks separated by ",", such as 10.0.0.0/8,::1, not "${entry}"`;
        context.addIssue({ code: "custom", message });
        return z.NEVER;
      }),
    ),
  );

/** The name of an image, with or without registry, tag and digest. */
export const containerImage = z.string().regex(IMAGE_NAME, {
  error: unlike("must be the name of an image, such as registry.example.com/omoi:0.2"),
});

/** `key=value,…`; a value may be empty. */
export const kubernetesLabels = z.string().transform((text, context): Record<string, string> => {
  const entries = text.split(",").filter((entry) => entry.trim() !== "");
  const labels: Record<string, string> = {};
  for (const entry of entries) {
    const [key = "", value, ...more] = entry.trim().split("=");
    const isLabel = value !== undefined && LABEL_KEY.test(key) && LABEL_VALUE.test(value);
    if (!isLabel || more.length > 0) {
      const message = `must list labels separated by ",", such as key=value, not "${entry}"`;
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    }
    labels[key] = value;
  }
  return labels;
});

/** Syntax of labels: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
const LABEL_KEY =
  /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$/;

/** Syntax of tolerations: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
const toleration = z
  .strictObject({
    key: z.string().regex(LABEL_KEY, { error: "must be the key of a taint" }).exactOptional(),
    operator: z.enum(["Exists", "Equal"]).exactOptional(),
    value: z.string().regex(LABEL_VALUE, { error: "must be the value of a taint" }).exactOptional(),
    effect: z.enum(["NoSchedule", "PreferNoSchedule", "NoExecute"]).exactOptional(),
    tolerationSeconds: z.int().exactOptional(),
  })
  .refine(({ key, operator }) => key !== undefined || operator === "Exists", {
    error: "without key, operator must be Exists",
  })
  .refine(({ value, operator }) => value === undefined || operator !== "Exists", {
    error: "with the operator Exists, there must be no value",
  })
  .refine(
    ({ tolerationSeconds: seconds, effect }) => seconds === undefined || effect === "NoExecute",
    {
      error: "with tolerationSeconds, effect must be NoExecute",
    },
  );
/** A list of tolerations of Kubernetes, as JSON. */
export const kubernetesTolerations = json(z.array(toleration));

/** A range that no distribution, container manager or systemd uses (systemd.io/UIDS-GIDS). */
export const defaultUids = "1900000000-1900065535";

const uidsRequirement = `must be a range of uids such as ${defaultUids}, from 1000 to ${maxUid} and without OMOI_AGENT_UID, or "shared"`;

export const uidRangeError = ({ first, last }: UidRange): string =>
  unlike(uidsRequirement)({ input: `${first}-${last}` });

/** Null: all runs share one uid. */
export const uidRange = z.string().transform((text, context): UidRange | null => {
  if (text === "shared") return null;
  const [first = 0, last = 0] = (/^(\d{1,10})-(\d{1,10})$/.exec(text)?.slice(1) ?? []).map(Number);
  if (first >= 1000 && last > first && last <= maxUid) return { first, last };
  context.addIssue({ code: "custom", message: unlike(uidsRequirement)({ input: text }) });
  return z.NEVER;
});

/** A number of files; null for no limit, and `auto`. */
export const files = z
  .string()
  .refine((text) => text === "auto" || /^\d{1,9}$/.test(text), {
    error: unlike("must be a whole number below 1000000000, 0 for no limit, or auto"),
  })
  .transform((text) => (text === "auto" ? text : Number(text) || null));

export const processors = z
  .string()
  .refine((text) => text === "auto" || (/^\d+(\.\d+)?$/.test(text) && Number(text) <= 1024), {
    error: unlike("must be a number of processors such as 1.5, or 0 for no limit"),
  })
  .transform((text) => (text === "auto" ? text : Number(text) || null));
