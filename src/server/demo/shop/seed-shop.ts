import type { Person } from "../session.js";
import { makeWorker } from "../scenario.js";
import { shopFiles } from "./files.js";
import { serveModel } from "./model.js";
import { addTask, approveAndMerge, networkOf, untilStatus, type Shop } from "./shop.js";

/** The check of the demo's main branch: no mark of a conflict in any file, and a pause, as tests take. */
const check = `set -e
echo "Checking $(find src -name '*.ts' | wc -l) files"
! grep -rnE '^(<{7}|>{7}) ' src test
for part in cart invoice payment; do sleep 6; echo "ok $part"; done
echo "38 passed"`;

interface Place {
  orgId: string;
  projectId: string;
  ada: Person;
  john: Person;
  jane: Person;
}

/** Makes the files of the demo's tasks, and what their agents need. */
export async function prepareShop({ orgId, projectId, ada, john, jane }: Place): Promise<Shop> {
  const { data: sandbox } = await ada.api.sandbox.get();
  const network = networkOf(sandbox);
  await ada.api.organizations.update({
    params: { org_id: orgId },
    body: { max_concurrent_agents: 60, max_model_cost_usd: 50 },
  });
  await ada.api.organizationSecrets.set({
    params: { org_id: orgId, name: "DEMO_MODEL_KEY" },
    body: { kind: "model", provider: "demo", value: "no-key-needed", base_url: await serveModel() },
  });
  const scaffold = await makeWorker(ada, { project_id: projectId, name: "checkout-files" });
  await scaffold.edit(shopFiles);
  await scaffold.commit("final", "Add the checkout");
  await scaffold.merge();
  return { projectId, ada, john, jane, network, hook: null };
}

/**
 * Starts tasks, brings them into every state, and adds a protected branch and an automation. Where no agent can start, the
 * tasks are there and not started.
 */
export async function startShop(shop: Shop, log: (line: string) => void): Promise<void> {
  const { ada, john, jane, network } = shop;
  const finished = await startDone(shop);
  await startOpen(shop);
  if (network === null) {
    log("No agent can start on this machine, so the tasks of Checkout are not started");
    return;
  }
  for (const { owner, id } of finished) {
    await untilStatus(ada, id, "in_review");
    await owner.api.tasks.merge({ params: { task_id: id } });
  }
  await protectMain(shop);
  const { discussed, queued, unapproved } = await startReviews(shop);
  await startTwoAttempts(shop);
  await addAutomation(shop);
  await untilStatus(ada, discussed, "in_review");
  await comment(shop, discussed);
  await untilStatus(ada, queued, "in_review");
  await approveAndMerge(john, jane, queued);
  // Waits in the queue for the visitor's approval.
  await untilStatus(ada, unapproved, "in_review");
  await john.api.tasks.merge({ params: { task_id: unapproved } });
  log("Tasks of Checkout are in every state, and its merge queue works");
}

async function startDone(shop: Shop): Promise<{ owner: Person; id: string }[]> {
  const { ada, jane } = shop;
  const decimals = await addTask(shop, jane, {
    body: "Show prices with two decimals",
    labels: ["invoice"],
  });
  const empty = await addTask(shop, ada, {
    body: "Refuse to pay an empty cart",
    labels: ["cart", "bug"],
  });
  return [
    { owner: jane, id: decimals.id },
    { owner: ada, id: empty.id },
  ];
}

/** Tasks that work, ask, fail, wait, or have not started. */
async function startOpen(shop: Shop): Promise<void> {
  const { ada, john, jane } = shop;
  const rounding = await addTask(shop, ada, {
    title: "Half-cent rounding",
    body: "Invoices round half cents the wrong way, see src/invoice/total.ts",
    labels: ["invoice", "bug"],
    priority: "urgent",
  });
  await addTask(shop, ada, {
    title: "Document the rounding",
    body: "Describe the new rounding in docs/rounding.md",
    labels: ["docs"],
    depends_on: [rounding.id],
  });
  await addTask(shop, ada, {
    title: "Remove the legacy basket",
    body: "Remove the legacy basket in src/legacy if nothing imports it",
    labels: ["cleanup"],
  });
  await addTask(shop, ada, {
    title: "Audit log for refunds",
    body: "Keep an audit log of refunds: who, when, how much and why. Migrate the old ones.",
    labels: ["payment", "security"],
    priority: "high",
  });
  await addTask(shop, john, {
    title: "Typed environment variables",
    body: "Type the environment variables, and name a missing one at the start",
    labels: ["cleanup"],
  });
  await addTask(shop, ada, {
    title: "Flaky payment test",
    body: "Fix the flaky payment test",
    labels: ["payment", "bug"],
  });
  await addTask(shop, jane, {
    title: "Pay by invoice",
    body: "Offer payment by invoice to business customers",
    labels: ["payment"],
    priority: "low",
    start: false,
  });
}

async function startTwoAttempts(shop: Shop): Promise<void> {
  const { ada, network } = shop;
  const { id } = await addTask(shop, ada, {
    title: "Cache the exchange rates",
    body: "Cache the exchange rates for ten minutes",
    labels: ["payment", "performance"],
  });
  await ada.api.tasks.addAttempts({
    params: { task_id: id },
    body: {
      prompt: "Cache the exchange rates for ten minutes, at most a hundred of them",
      command: ["demo-agent"],
      ...(network !== null && { network }),
    },
  });
}

/** Changes of colleagues, which the visitor may review: one of them has comments, and two are queued. */
async function startReviews(shop: Shop) {
  const { john, jane } = shop;
  const split = await addTask(shop, jane, {
    title: "Split the cart module",
    body: "Split the cart module: prices go to a module of their own",
    labels: ["cart", "cleanup"],
  });
  const coupon = await addTask(shop, john, {
    title: "Coupons",
    body: "Subtract a coupon from the cart, never below zero",
    labels: ["cart"],
  });
  const shipping = await addTask(shop, jane, {
    title: "Free shipping above 50",
    body: "Shipping is free above 50",
    labels: ["cart"],
  });
  return { discussed: split.id, queued: shipping.id, unapproved: coupon.id };
}

/** A colleague comments on a line, with a suggestion. */
async function comment({ john }: Shop, task_id: string): Promise<void> {
  const params = { task_id };
  const { data: changes } = await john.api.reviews.changes({ params, query: {} });
  await john.api.reviews.publish({
    params,
    body: {
      verdict: "comment",
      commit_sha: changes.commit_sha,
      comments: [
        {
          path: "src/cart/prices.ts",
          line: 3,
          body: "Say that the discount is a share, such as 0.1.",
          suggestion:
            "/** The price of a line in cents, less its discount, a share such as 0.1. */",
        },
      ],
    },
  });
}

async function protectMain({ ada, projectId }: Shop): Promise<void> {
  const params = { project_id: projectId };
  await ada.api.mergeQueue.setCheck({
    params: { ...params, name: "test" },
    body: { command: ["sh", "-c", check], timeout_seconds: 300, log_pattern: "[1-9][0-9]* passed" },
  });
  await ada.api.projects.update({
    params,
    body: { protected_branches: [{ pattern: "main", checks: ["test"], approvals: 1 }] },
  });
}

async function addAutomation(shop: Shop): Promise<void> {
  const { ada, projectId, network } = shop;
  const { data } = await ada.api.automations.create({
    params: { project_id: projectId },
    body: {
      name: "Fix the nightly build",
      triggers: [
        { type: "webhook" },
        { type: "schedule", cron: "0 6 * * 1-5", timezone: "Europe/Berlin" },
      ],
      action: {
        type: "create_task",
        title: "Nightly build: {{event.payload.suite}}",
        body: "The nightly build fails in {{event.payload.suite}}: {{event.payload.message}}",
        preset: "custom",
        command: ["demo-agent"],
        labels: ["nightly"],
      },
      limits: { per_day: 20, at_once: 2, cost_usd_per_day: 10 },
    },
  });
  // Tasks of automations have the default network of tasks.
  if (network === "restricted") shop.hook = data.webhook?.url ?? null;
}
