import { useQuery } from "@tanstack/react-query";
import { useNavigate, useRouter } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { organizationTabs } from "../../paths/address-search.js";
import { paths } from "../../paths/paths.js";
import { Palette, type PaletteItem } from "../../ui/overlays/palette.js";
import { visible } from "../../ui/text/plain-text.js";
import { notify } from "../../ui/feedback/toast.js";
import { agentsQuery } from "../../api/queries/agents.js";
import { apiKeysQuery } from "../../api/queries/api-keys.js";
import { switchOrganization, useCurrentOrganization } from "../../access/current-organization.js";
import { useDenyReason } from "../../access/permissions.js";
import { projectsQuery } from "../../api/queries/projects.js";
import { useSignOut } from "../../access/sign-out.js";

type Path = ReturnType<(typeof paths)[keyof typeof paths]>;

const tabNames = {
  general: "General",
  resources: "Resources",
  members: "Members",
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
  const signOut = useSignOut();

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
      run: goTo(paths.workspace(item.id)),
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
  return (
    <Palette
      label="Search and commands"
      placeholder="Go to a page, project, agent, key… or do something"
      items={[...actions, ...pages, ...things]}
      isLoading={(enabled && (projects.isPending || agents.isPending)) || keys.isPending}
      onClose={onClose}
    />
  );
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
