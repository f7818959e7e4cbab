import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { organizationTabs } from "../../paths/address-search.js";
import { paths } from "../../paths/paths.js";
import { Palette, type PaletteItem } from "../../ui/overlays/palette.js";
import { visible } from "../../ui/text/plain-text.js";
import { notify } from "../../ui/feedback/toast.js";
import { agentsKey, agentsQuery } from "../../api/queries/execution/agents.js";
import { apiKeysQuery } from "../../api/queries/organization/api-keys.js";
import { switchOrganization, useCurrentOrganization } from "../../access/current-organization.js";
import { useDenyReason } from "../../access/permissions.js";
import { projectsKey, projectsQuery } from "../../api/queries/projects/projects.js";
import { useSignOut } from "../../access/sign-out.js";
import type { Agent } from "#shared/api/agents/agents.js";
import { client } from "../../api/client.js";
import { attentionQuery } from "../../api/queries/organization/overview.js";
import { organizationsKey } from "../../api/queries/organization/organizations.js";
import { useApiMutation } from "../../api/use-mutation.js";
import { useRecent } from "../../hooks/recent.js";
import { themeNames, themes, useTheme } from "../../hooks/theme.js";

type Path = ReturnType<(typeof paths)[keyof typeof paths]>;

const tabNames = {
  general: "General",
  resources: "Resources",
  members: "Members",
  "service-accounts": "Service accounts",
  webhooks: "Webhooks",
  billing: "Billing",
  audit: "Audit",
} as const;

/** Finds pages and permitted actions by fuzzy search. */
export function CommandPalette({ onClose }: { onClose: () => void }): ReactElement {
  const navigate = useNavigate();
  const { history } = useRouter();
  const { organization, organizations } = useCurrentOrganization();
  const orgId = organization?.id ?? "";
  const refusal = useDenyReason(organization?.id);
  const enabled = orgId !== "";
  const projects = useQuery({ ...projectsQuery(orgId), enabled });
  const agents = useQuery({
    ...agentsQuery({ organization_id: orgId }),
    enabled,
    refetchInterval: false,
  });
  const keys = useQuery(apiKeysQuery);
  const attention = useQuery({ ...attentionQuery(orgId), enabled, refetchInterval: false });
  const signOut = useSignOut();
  const [theme, setTheme] = useTheme();
  const [recent, addRecent] = useRecent();
  const stop = useApiMutation({
    run: (run_id: string, headers) => client.runs.stop({ params: { run_id } }, { headers }),
    refresh: [agentsKey, organizationsKey, projectsKey],
    successMessage: () => "The run is being stopped",
    toastErrors: true,
  });

  const goTo = (path: Path) => (): void => void navigate(path as never);
  const projectNames = new Map(projects.data?.map(({ id, name }) => [id, name]));
  const may = (permission: Parameters<typeof refusal>[0]): boolean =>
    enabled && refusal(permission) === undefined;

  const actions: PaletteItem[] = [
    ...(may("project:write")
      ? [action("New project", "import repository git", goTo(paths.projects({ new: true })))]
      : []),
    ...(may("agent:write") && projects.data?.length
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
    ...themes
      .filter((name) => name !== theme)
      .map((name) => ({
        ...action(`Theme: ${themeNames[name]}`, "color scheme mode appearance", () =>
          setTheme(name),
        ),
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
      ...action("Sign out", "log out leave", () => signOut.submit(undefined)),
      icon: "signOut",
    },
  ];
  const pages: PaletteItem[] = [
    page("Home", "home", goTo(paths.home())),
    page("Organizations", "building", goTo(paths.organizations())),
    page("Projects", "folder", goTo(paths.projects())),
    page("Agents", "agent", goTo(paths.agents())),
    page("API Keys", "key", goTo(paths.apiKeys())),
    page("Profile", "person", goTo(paths.profile()), "account name email"),
    page("Notifications", "bell", goTo(paths.notifications()), "email webhook alerts settings"),
    page("Security", "lock", goTo(paths.security()), "password passkey second factor sessions"),
    ...(organization
      ? [
          page("Overview", "building", goTo(paths.organization(orgId)), "", organization.name),
          ...organizationTabs.map((tab) =>
            page(
              `Settings: ${tabNames[tab]}`,
              "edit",
              goTo(paths.organizationSettings(orgId, { tab })),
              "limits roles invitations usage",
              organization.name,
            ),
          ),
        ]
      : []),
  ];
  const things: PaletteItem[] = [
    ...organizations.map((item) => ({
      id: `organization-${item.id}`,
      group: "Organizations",
      icon: "building" as const,
      label: item.name,
      hint: item.slug,
      run: goTo(paths.organization(item.id)),
    })),
    ...(projects.data ?? []).map((item) => ({
      id: `project-${item.id}`,
      group: "Projects",
      icon: "folder" as const,
      label: item.name,
      hint: item.slug,
      run: goTo(paths.project(item.id)),
    })),
    ...(agents.data ?? []).map((item) => ({
      id: `agent-${item.id}`,
      group: "Agents",
      icon: "agent" as const,
      label: item.name,
      hint: projectNames.get(item.project_id) ?? "",
      keywords: item.workspace_branch ?? "",
      run: goTo(paths.agent(item.id)),
    })),
    ...(keys.data ?? []).map((item) => ({
      id: `key-${item.id}`,
      group: "API Keys",
      icon: "key" as const,
      label: item.name,
      hint: item.key_hint,
      run: goTo(paths.apiKey(item.id)),
    })),
    ...organizations
      .filter(({ id }) => id !== orgId)
      .map((item) => ({
        id: `switch-${item.id}`,
        group: "Switch Organization",
        icon: "switch" as const,
        label: `Switch to ${item.name}`,
        hint: item.slug,
        run: () => {
          switchOrganization(item.id);
          notify(`Switched to ${visible(item.name)}`);
          // The page belongs to the previous organization; lists switch automatically.
          if (!/^\/(projects|agents|organizations)$/.test(history.location.pathname))
            void navigate(paths.organization(item.id));
        },
      })),
  ];
  const workActions: PaletteItem[] = (agents.data ?? [])
    .filter(({ status }) => status !== "terminated")
    .flatMap((agent) => agentActions(agent, { may, goTo, stop: stop.submit }));
  const waiting: PaletteItem[] = (attention.data ?? []).flatMap((item): PaletteItem[] => {
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
  const all = [...waiting, ...actions, ...pages, ...things, ...workActions];
  const byId = new Map(all.map((item) => [item.id, item]));
  const recentItems = recent.flatMap((id) => {
    const item = byId.get(id);
    return item ? [{ ...item, id: `recent-${id}`, group: "Recent" }] : [];
  });
  return (
    <Palette
      label="Search and commands"
      placeholder="Go to a page, project, agent, key… or do something"
      recent={recentItems}
      items={all.map((item) => ({
        ...item,
        run: () => {
          // It would be the first item of the next time.
          if (!/^(Stop|waiting)-/.test(item.id)) addRecent(item.id);
          item.run();
        },
      }))}
      isLoading={(enabled && (projects.isPending || agents.isPending)) || keys.isPending}
      onClose={onClose}
    />
  );
}

/** What can be done with an agent from anywhere. */
function agentActions(
  { id, name, workspace_branch, current_run, queued_run }: Agent,
  {
    may,
    goTo,
    stop,
  }: {
    may: (permission: "agent:run" | "agent:workspace:merge") => boolean;
    goTo: (path: Path) => () => void;
    stop: (runId: string) => void;
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
    ...(run && may("agent:run") ? [of("Stop", "stop", () => stop(run.id))] : []),
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
