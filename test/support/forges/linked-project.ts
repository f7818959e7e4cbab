import { expect } from "vitest";
import type { Project } from "#shared/api/code/projects.js";
import type { NewAutomation } from "#shared/api/work/automations.js";
import type { ForgeDelivery } from "#shared/api/work/forge-deliveries.js";
import type { Forge } from "#shared/api/work/forges.js";
import type { Task } from "#shared/api/work/tasks.js";
import { acpAgent } from "../fixtures/acp-agent.js";
import { makeOrganization } from "../fixtures/factories.js";
import { waitUntilReady } from "../fixtures/projects.js";
import type { TestPerson } from "../server/app.js";
import type { ForgeDouble } from "./forge-double.js";
import { startGitea } from "./gitea/gitea-double.js";
import { startGithub } from "./github/github-double.js";
import { startGitlab } from "./gitlab/gitlab-double.js";
import type { DoubleRepository } from "./repository.js";

export const doubleStarts = {
  github: startGithub,
  gitlab: startGitlab,
  gitea: startGitea,
} as const;
export type DoubleKind = keyof typeof doubleStarts;

/** A project that is linked to a repository of a double, whose `lead` is the owner here. */
export interface LinkedProject {
  orgId: string;
  double: ForgeDouble;
  shop: DoubleRepository;
  forge: Forge;
  project: Project;
  deliveries: () => Promise<ForgeDelivery[]>;
  tasks: () => Promise<Task[]>;
  /** Lets what the forge's automations start be done by the scripted agent. */
  automate: (
    event: string,
    action: { create: string } | { prompt: string },
    more?: Partial<NewAutomation>,
  ) => Promise<void>;
}

const token = "a-token-of-the-forge-0123456789";

export async function makeLinkedProject(
  owner: TestPerson,
  kind: DoubleKind,
  delivery: Forge["delivery"],
  files: Record<string, string> = { "a.txt": "a\nb\nc\n" },
): Promise<LinkedProject> {
  const orgId = (await makeOrganization(owner)).id;
  const double = await doubleStarts[kind]();
  double.tokens.set(token, { login: "omoi-bot", reach: null });
  const shop = await double.addRepository("acme/shop", files);
  shop.permissions.set("omoi-bot", "admin");
  const { data: forge } = await owner.api.forges.create({
    params: { org_id: orgId },
    body: { kind, url: double.url, api_url: double.apiUrl, token, delivery },
  });
  const at = { org_id: orgId, forge_id: forge.id };
  await owner.api.forgePeople.set({
    params: { ...at, login: "lead" },
    body: { user_id: owner.id },
  });
  const { data: made } = await owner.api.projects.create({
    body: { organization_id: orgId, name: "Shop", forge_id: forge.id, repository: "acme/shop" },
  });
  const project = await waitUntilReady(owner, made.id);
  const params = { project_id: project.id };
  const { data: defaults } = await owner.api.automations.list({ params });
  for (const { id } of defaults) {
    await owner.api.automations.delete({ params: { ...params, automation_id: id } });
  }
  if (delivery === "webhook") {
    await expect.poll(() => double.outbox.hooks.length).toBe(1);
  }
  return {
    orgId,
    double,
    shop,
    forge,
    project,
    deliveries: async () =>
      (await owner.api.forgeDeliveries.list({ params: at, query: { limit: 200 } })).data,
    tasks: async () => (await owner.api.tasks.list({ params })).data,
    automate: async (event, action, more = {}) => {
      await owner.api.automations.create({
        params,
        body: {
          name: event,
          triggers: [{ type: "forge", events: [event as "issue.labeled"] }],
          limits: { per_day: 5000, at_once: 1000 },
          overlap: "queue",
          action:
            "create" in action
              ? {
                  type: "create_task",
                  title: "{{event.issue.title}}",
                  body: action.create,
                  preset: "custom",
                  command: acpAgent("load"),
                }
              : { type: "prompt_task", text: action.prompt },
          ...more,
        },
      });
    },
  };
}
