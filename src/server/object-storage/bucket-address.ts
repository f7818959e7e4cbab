import { ConfigError } from "#shared/node/config-error.js";

export interface BucketAddress {
  bucket: string;
  /** Without slashes at the ends. */
  prefix: string;
}

/**
 * Parses `s3://BUCKET/PREFIX`; null for anything else, which is a folder.
 * @throws ConfigError if it begins like an address and is none
 */
export function parseBucketAddress(text: string): BucketAddress | null {
  if (!text.startsWith("s3://")) return null;
  const [, bucket, prefix] =
    /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([\w.:-]+(?:\/[\w.:-]+)*)\/?$/.exec(text) ?? [];
  if (bucket !== undefined && prefix !== undefined && !/(?:^|\/)\.\.?(?:\/|$)/.test(prefix)) {
    return { bucket, prefix };
  }
  throw new ConfigError(
    `${text} must be like s3://BUCKET/PREFIX, such as s3://backups/omoi/2026-11-28`,
  );
}
