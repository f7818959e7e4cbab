import { z } from "zod";
import { sender, smtpServer } from "../mail-settings.js";
import { group, setting, type Setting, type SettingGroup } from "../setting.js";
import { oneOf, pattern, webAddress } from "../setting-types.js";

/** Mail and object storage. */
export const mailAndObjectSettings = {
  smtp: setting({
    variable: "OMOI_SMTP_URL",
    type: smtpServer,
    default: null,
    shownDefault: "the folder `outbox`",
    documentation:
      "Mail server, as `smtp://user:password@host:587` or `smtps://…:465`. A password is only sent over TLS.",
  }),
  mailFrom: setting({
    variable: "OMOI_MAIL_FROM",
    type: sender,
    default: null,
    shownDefault: "`omoi` at the host of the public address",
    documentation: "Sender of mail, such as `Omoi <omoi@example.com>`.",
  }),
  objectStorage: group(
    {
      endpoint: setting({
        variable: "OMOI_S3_ENDPOINT",
        type: webAddress,
        default: null,
        requires: ["OMOI_S3_ACCESS_KEY_ID", "OMOI_S3_SECRET_ACCESS_KEY"],
        documentation:
          "Address of an S3 server for logs and backups, such as `https://s3.eu-central-1.amazonaws.com` or `http://127.0.0.1:9000`.",
      }),
      bucket: setting({
        variable: "OMOI_S3_BUCKET",
        type: pattern(
          /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/,
          'must be the name of a bucket: 3 to 63 lower-case letters, digits, "." and "-"',
        ),
        default: null,
        requires: ["OMOI_S3_ENDPOINT"],
        documentation:
          "Bucket to which the logs of ended runs move. Without it, logs stay in the data folder.",
      }),
      prefix: setting({
        variable: "OMOI_S3_PREFIX",
        type: pattern(
          /^(?:[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_-]+)*)?$/,
          'must be names of letters, digits, "_" and "-", separated by "/", without one at the ends',
        ),
        default: "",
        documentation:
          "Beginning of the keys of all logs in the bucket, such as `omoi/production`.",
      }),
      region: setting({
        variable: "OMOI_S3_REGION",
        type: pattern(/^[a-z0-9-]{1,64}$/, "must be the name of a region such as eu-central-1"),
        default: "us-east-1",
        documentation: "Region of the S3 server, which its signatures contain.",
      }),
      accessKeyId: setting({
        variable: "OMOI_S3_ACCESS_KEY_ID",
        type: z.string(),
        default: null,
        requires: ["OMOI_S3_ENDPOINT"],
        documentation: "Id of the access key for the S3 server.",
      }),
      secretAccessKey: setting({
        variable: "OMOI_S3_SECRET_ACCESS_KEY",
        type: z.string(),
        default: null,
        requires: ["OMOI_S3_ENDPOINT"],
        documentation: "Secret of that access key.",
      }),
      addressing: setting({
        variable: "OMOI_S3_ADDRESSING",
        type: oneOf("auto", "path", "host"),
        default: "auto",
        documentation:
          "Where the bucket stands in addresses: in the path (`path`), in the host name (`host`), or in the host name for `amazonaws.com` only (`auto`).",
      }),
    },
    ({ endpoint, bucket, prefix, region, accessKeyId, secretAccessKey, addressing }) =>
      endpoint === null || accessKeyId === null || secretAccessKey === null
        ? null
        : {
            endpoint,
            region,
            accessKeyId,
            secretAccessKey,
            addressing:
              addressing === "auto"
                ? new URL(endpoint).hostname.endsWith(".amazonaws.com")
                  ? ("host" as const)
                  : ("path" as const)
                : addressing,
            /** Null: logs stay in the data folder. */
            logs: bucket === null ? null : { bucket, prefix },
          },
  ),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;
