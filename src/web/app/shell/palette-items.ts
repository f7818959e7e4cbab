/** The items of the command palette. */
import { openNewTask } from "../../hooks/new-task.js";
import { organizationTabs } from "../../paths/address-search.js";
import { paths } from "../../paths/paths.js";
import type { PaletteItem } from "../../ui/overlays/palette.js";
import type { Agent } from "#shared/api/work/agents.js";
import type { ApiKey } from "#shared/api/identity/api-keys.js";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import type { AttentionItem } from "#shared/api/work/overview.js";
import type { AttentionKind } from "#shared/api/work/tasks.js";
import { attentionNames } from "#shared/work/task-words.js";
import type { Project } from "#shared/api/code/projects.js";
import type { Permission } from "#shared/permissions.js";

export type Path = ReturnType<(typeof paths)[keyof typeof paths]>;
type GoTo = (path: Path) => () => void;
type May = (permission: Permission) => boolean;

const tabNames = {
  general: "General",
  resources: "Resources",
  members: "Members",
  billing: "Billing",
  "service-accounts": "Service accounts",
  forges: "Forges",
  webhooks: "Webhooks",
  audit: "Audit",
} as const;

/** What the tabs hold, for the search. */
const tabWords: Record<keyof typeof tabNames, string> = {
  general: "name slug two-factor authentication owner transfer archive delete",
  resources: "limits quotas concurrent agents child tasks secrets model keys roles storage disk",
  members: "people users roles permissions invitations invite remove",
  "service-accounts": "robots api keys",
  forges: "github gitlab gitea forgejo repositories pull requests connections",
  webhooks: "events deliveries receivers",
  billing: "costs usage budgets spending forecast statements",
  audit: "log history security events",
};

interface ActionContext {
  /** Empty without an organization. */
  orgId: string;
  hasProjects: boolean;
  themes: readonly { label: string; run: () => void }[];
  may: May;
  goTo: GoTo;
  signOut: () => void;
}

export function actionItems({
  orgId,
  hasProjects,
  themes,
  may,
  goTo,
  signOut,
}: ActionContext): PaletteItem[] {
  return [
    ...(may("project:task:write") && hasProjects
      ? [action("New task", "create start work prompt", () => openNewTask())]
      : []),
    ...(may("project:write")
      ? [action("New project", "import repository git", goTo(paths.projects({ new: true })))]
      : []),
    ...(may("agent:write") && hasProjects
      ? [action("New agent", "create worker", goTo(paths.agents({ new: true })))]
      : []),
    action("Generate New API Key", "create token secret", goTo(paths.newApiKey())),
    ...(may("org:members:write")
      ? [
          action(
            "Invite Member",
            "add person colleague",
            goTo(paths.organizationSettings(orgId, { tab: "members" })),
          ),
        ]
      : []),
    ...themes.map(({ label, run }) => ({
      ...action(label, "color scheme mode appearance", run),
      icon: "sun" as const,
    })),
    action("New Organization", "create team", goTo(paths.newOrganization())),
    {
      ...action("Getting started", "help first steps tour onboarding", goTo(paths.welcome())),
      icon: "info",
    },
    {
      ...action("API reference", "help documentation openapi", () => location.assign("/api/docs")),
      icon: "file",
    },
    {
      ...action("Sign out", "log out leave", signOut),
      icon: "signOut",
    },
  ];
}

export function pageItems(organization: OrganizationItem | undefined, goTo: GoTo): PaletteItem[] {
  return [
    page("Home", "home", goTo(paths.home())),
    page("Organizations", "building", goTo(paths.organizations())),
    page("Tasks", "check", goTo(paths.tasks())),
    page("Projects", "folder", goTo(paths.projects())),
    page("Agents", "agent", goTo(paths.agents())),
    page("API Keys", "key", goTo(paths.apiKeys())),
    page("Profile", "person", goTo(paths.profile()), "account name email"),
    page("Notifications", "bell", goTo(paths.notifications()), "email webhook alerts settings"),
    page("Security", "lock", goTo(paths.security()), "password passkey second factor sessions"),
    ...(organization
      ? [
          page(
            "Overview",
            "building",
            goTo(paths.organization(organization.id)),
            "",
            organization.name,
          ),
          ...organizationTabs.map((tab) =>
            page(
              `Settings: ${tabNames[tab]}`,
              "edit",
              goTo(paths.organizationSettings(organization.id, { tab })),
              tabWords[tab],
              organization.name,
            ),
          ),
        ]
      : []),
  ];
}

/** The settings of a project, found by what they hold. */
export function projectPages({ id, name }: Project, goTo: GoTo): PaletteItem[] {
  return [
    {
      ...page(
        "Project settings",
        "edit",
        goTo(paths.projectSettings(id)),
        "protected branches approvals checks merge drivers environment setup network allowed hosts containers secrets model keys budgets delete",
        name,
      ),
      id: `go-settings-${id}`,
    },
  ];
}

interface Resources {
  organizations: readonly OrganizationItem[];
  projects: readonly Project[];
  agents: readonly Agent[];
  keys: readonly ApiKey[];
}

export function resourceItems(
  { organizations, projects, agents, keys }: Resources,
  goTo: GoTo,
): PaletteItem[] {
  const projectNames = new Map(projects.map(({ id, name }) => [id, name]));
  return [
    ...organizations.map((item) => ({
      id: `organization-${item.id}`,
      group: "Organizations",
      icon: "building" as const,
      label: item.name,
      hint: item.slug,
      run: goTo(paths.organization(item.id)),
    })),
    ...projects.map((item) => ({
      id: `project-${item.id}`,
      group: "Projects",
      icon: "folder" as const,
      label: item.name,
      hint: item.slug,
      run: goTo(paths.project(item.id)),
    })),
    ...agents.map((item) => ({
      id: `agent-${item.id}`,
      group: "Agents",
      icon: "agent" as const,
      label: item.name,
      hint: projectNames.get(item.project_id) ?? "",
      keywords: item.workspace_branch ?? "",
      run: goTo(paths.agent(item.id)),
    })),
    ...keys.map((item) => ({
      id: `key-${item.id}`,
      group: "API Keys",
      icon: "key" as const,
      label: item.name,
      hint: item.key_hint,
      run: goTo(paths.apiKey(item.id)),
    })),
  ];
}

export function switchItems(
  organizations: readonly OrganizationItem[],
  switchTo: (organization: OrganizationItem) => void,
): PaletteItem[] {
  return organizations.map((item) => ({
    id: `switch-${item.id}`,
    group: "Switch Organization",
    icon: "switch",
    label: `Switch to ${item.name}`,
    hint: item.slug,
    run: () => switchTo(item),
  }));
}

/** What a user does about a task that needs a decision. */
const taskVerbs: Partial<Record<AttentionKind, string>> = {
  question: "Answer",
  review: "Review",
  no_changes: "Review",
  release: "Read",
};

/** Decisions that wait for the user. */
export function waitingItems(attention: readonly AttentionItem[], goTo: GoTo): PaletteItem[] {
  return attention.flatMap((item): PaletteItem[] => {
    const common = { id: `waiting-${item.key}`, group: "Needs you" };
    const name = item.agent_name ?? "an agent";
    if (item.type === "permission_request") {
      return [
        {
          ...common,
          icon: "lock",
          label: `Answer ${name}: ${item.request.title}`,
          keywords: "allow deny permission approve",
          run: goTo(paths.session(item.agent_id ?? "", item.session_id)),
        },
      ];
    }
    if (item.type === "task") {
      const verb = taskVerbs[item.kind];
      if (verb === undefined || item.task_id === null) return [];
      return [
        {
          ...common,
          icon: item.kind === "question" ? "question" : "check",
          label: `${verb} #${item.task_number} ${item.task_title ?? ""}`,
          keywords: attentionNames[item.kind],
          run: goTo(paths.task(item.task_id)),
        },
      ];
    }
    if (item.type !== "merge_request") return [];
    return [
      {
        ...common,
        icon: "merge",
        label: `Approve the merge of ${name}`,
        run: goTo(paths.mergeRequest(item.project_id ?? "", item.merge_request_id)),
      },
    ];
  });
}

/** Commands for an agent that can be given anywhere. */
export function agentActions(
  { id, name, workspace_branch, current_run, queued_run }: Agent,
  {
    may,
    goTo,
    stop,
  }: {
    may: May;
    goTo: GoTo;
    stop: (run: { id: string; agentName: string }) => void;
  },
): PaletteItem[] {
  const of = (verb: string, icon: PaletteItem["icon"], run: () => void): PaletteItem => ({
    id: `${verb}-${id}`,
    group: "Agents' work",
    icon,
    label: `${verb} ${name}`,
    run,
  });
  const run = current_run ?? queued_run;
  return [
    ...(workspace_branch !== null && may("agent:run")
      ? [
          of("Talk to", "send", goTo(paths.agent(id))),
          of("Start", "terminal", goTo(paths.agent(id, { new: true }))),
        ]
      : []),
    ...(run && may("agent:run")
      ? [of("Stop", "stop", () => stop({ id: run.id, agentName: name }))]
      : []),
    ...(workspace_branch !== null && may("agent:workspace:merge")
      ? [of("Merge", "merge", goTo(paths.newMerge(id)))]
      : []),
    ...(workspace_branch === null
      ? []
      : [of("Show the changes of", "file", goTo(paths.agentChanges(id)))]),
  ];
}

function action(label: string, keywords: string, run: () => void): PaletteItem {
  return { id: `do-${label}`, group: "Actions", icon: "plus", label, keywords, run };
}

function page(
  label: string,
  icon: PaletteItem["icon"],
  run: () => void,
  keywords = "",
  hint?: string,
): PaletteItem {
  const more = hint === undefined ? {} : { hint };
  return { id: `go-${label}`, group: "Go to", icon, label, keywords, run, ...more };
}
