import { z } from "zod";
import { group, setting, type Setting, type SettingGroup } from "../setting.js";
import { oneOf, webAddress, wholeNumber } from "../setting-types.js";

/** Metrics, traces and the log. */
export const monitoringSettings = {
  metricsToken: setting({
    variable: "OMOI_METRICS_TOKEN",
    type: z.string().regex(/^[\x21-\x7e]{16,512}$/, {
      error:
        "must be 16 to 512 characters without spaces, such as the output of: openssl rand -hex 32",
    }),
    default: null,
    documentation:
      "Bearer token of `/metrics` for callers on other machines. Without it they get 404.",
  }),
  telemetry: group(
    {
      endpoint: setting({
        variable: "OTEL_EXPORTER_OTLP_ENDPOINT",
        type: webAddress,
        default: null,
        documentation: "OTLP/HTTP receiver of traces and metrics.",
      }),
      metricIntervalMs: setting({
        variable: "OTEL_METRIC_EXPORT_INTERVAL",
        type: wholeNumber(100, 86_400_000),
        default: "60000",
        documentation: "Milliseconds between two exports of metrics.",
      }),
    },
    ({ endpoint, metricIntervalMs }) => (endpoint === null ? null : { endpoint, metricIntervalMs }),
  ),
  logLevel: setting({
    variable: "OMOI_LOG_LEVEL",
    type: oneOf("debug", "info", "warn", "error", "silent"),
    default: "info",
    documentation: "`debug`, `info`, `warn`, `error` or `silent`.",
  }),
} satisfies Record<string, Setting<unknown> | SettingGroup<unknown>>;
