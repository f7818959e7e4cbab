import type { TestApp } from "../server/app.js";
import { send } from "./raw-request.js";

/** Reads the values of a metric by its labels, as in `{queue="send-mail",state="retry"}`. */
export function samplesOf(text: string, metric: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const [, name, labels = "", value] of text.matchAll(/^(\w+)(\{.*\})? (\S+)$/gm)) {
    if (name === metric) samples.set(labels, Number(value));
  }
  return samples;
}

/**
 * Reads `/metrics` from another process, whose figures are not cached.
 * @param change made when that process has started
 */
export async function scrapeAnew(
  app: TestApp,
  change: () => Promise<unknown> = () => Promise.resolve(),
): Promise<string> {
  const sibling = await app.sibling();
  try {
    await change();
    return (await send(sibling, "GET", "/metrics")).text;
  } finally {
    await sibling.close();
  }
}

/** Reads the number of denied connections of this process, which is not cached. */
export async function deniedTotal(app: TestApp): Promise<number> {
  const { text } = await send(app, "GET", "/metrics");
  return samplesOf(text, "omoi_egress_denied_total").get("") ?? Number.NaN;
}
