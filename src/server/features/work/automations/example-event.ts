import type { AutomationRow } from "./automations.queries.js";
import type { SeenEvent } from "./firing/prepare.js";

/** Values of a made-up event, for a first test. */
const EXAMPLES = {
  issue: {
    number: 12,
    title: "The cart forgets its items",
    body: "Add an item, reload the page, and the cart is empty.",
    url: "https://github.com/acme/shop/issues/12",
    author: "octocat",
    labels: ["bug", "omoi"],
  },
  comment: {
    body: "@omoi please have a look",
    author: "octocat",
    url: "https://github.com/acme/shop/issues/12",
  },
  pull_request: {
    number: 34,
    title: "Keep the cart",
    body: "Stores the cart in the session.",
    url: "https://github.com/acme/shop/pull/34",
    author: "octocat",
    labels: [],
    branch: "keep-cart",
    base: "main",
  },
  review: {
    verdict: "request_changes",
    body: "Please add a test.",
    author: "octocat",
    url: "https://github.com/acme/shop/pull/34",
  },
  check: {
    name: "test",
    url: "https://github.com/acme/shop/actions/1",
    log: "1 test failed: keeps the cart",
  },
  label: "omoi",
  branch: "main",
  commit: "0123456789abcdef0123456789abcdef01234567",
  reason: "src/cart.ts has conflicts",
  payload: { example: true },
};

/** Makes up an event of the first trigger of an automation. */
export function exampleOf({ triggers }: Pick<AutomationRow, "triggers">): SeenEvent {
  const [trigger] = triggers;
  const type =
    trigger?.type === "forge"
      ? (trigger.events[0] ?? "issue.opened")
      : trigger?.type === "event"
        ? (trigger.types[0] ?? "task.done")
        : (trigger?.type ?? "manual");
  const values = type === "schedule" || type === "manual" ? {} : EXAMPLES;
  const trust = type === "webhook" ? "untrusted" : "trusted";
  return { type, by: "octocat", at: new Date().toISOString(), trust, values, taskId: null };
}
