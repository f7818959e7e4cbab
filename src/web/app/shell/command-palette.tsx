import { resembles, searchWords } from "#shared/work/search-words.js";
import { useQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { type ReactElement, useState } from "react";
import { paths } from "../../paths/paths.js";
import { Palette } from "../../ui/overlays/palette.js";
import { visible } from "../../ui/text/plain-text.js";
import { notify } from "../../ui/feedback/toast.js";
import { agentsQuery } from "../../api/queries/work/agents.js";
import { apiKeysQuery } from "../../api/queries/identity/api-keys.js";
import { switchOrganization, useCurrentOrganization } from "../../access/current-organization.js";
import { useDenyReason } from "../../access/permissions.js";
import { projectsQuery } from "../../api/queries/code/projects.js";
import { useSignOut } from "../../access/sign-out.js";
import { attentionQuery } from "../../api/queries/work/overview.js";
import { openNewTask } from "../../hooks/new-task.js";
import { useRecent } from "../../hooks/recent.js";
import { themeNames, themes, useTheme } from "../../hooks/theme.js";
import {
  actionItems,
  agentActions,
  pageItems,
  projectPages,
  resourceItems,
  switchItems,
  waitingItems,
  type Path,
} from "./palette-items.js";
import { useProjectOfPage } from "./follow-organization.js";
import { usePaletteSearch } from "./use-palette-search.js";
import type { StoppedRun } from "./stop-run-dialog.js";

interface CommandPaletteProps {
  onClose: () => void;
  /** Asks whether to stop the run of an agent. */
  onStop: (run: StoppedRun) => void;
}

/** Finds pages and permitted actions by fuzzy search. */
export function CommandPalette({ onClose, onStop }: CommandPaletteProps): ReactElement {
  const navigate = useNavigate();
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
  const goTo = (path: Path) => (): void => void navigate(path as never);
  const may = (permission: Parameters<typeof refusal>[0]): boolean =>
    enabled && refusal(permission) === undefined;
  const isOfObject = useParams({
    strict: false,
    select: (params) => Object.keys(params).length > 0,
  });
  const switchTo = (item: { id: string; name: string }): void => {
    // The page of an object belongs to the previous organization; lists change automatically.
    if (isOfObject) void navigate(paths.organization(item.id));
    else switchOrganization(item.id);
    notify(`Switched to ${visible(item.name)}`);
  };
  const themeActions = themes
    .filter((name) => name !== theme)
    .map((name) => ({ label: `Theme: ${themeNames[name]}`, run: () => setTheme(name) }));
  const all = [
    ...waitingItems(attention.data ?? [], goTo),
    ...actionItems({
      orgId,
      hasProjects: Boolean(projects.data?.length),
      themes: themeActions,
      may,
      goTo,
      signOut: () => signOut.submit(undefined),
    }),
    ...pageItems(organization, goTo),
    ...(projects.data ?? []).flatMap((project) => projectPages(project, goTo)),
    ...resourceItems(
      {
        organizations,
        projects: projects.data ?? [],
        agents: agents.data ?? [],
        keys: keys.data ?? [],
      },
      goTo,
    ),
    ...switchItems(
      organizations.filter(({ id }) => id !== orgId),
      switchTo,
    ),
    ...(agents.data ?? [])
      .filter(({ status }) => status !== "terminated")
      .flatMap((agent) => agentActions(agent, { may, goTo, stop: onStop })),
  ];
  const projectId = useProjectOfPage();
  const [typed, setTyped] = useState("");
  const search = usePaletteSearch({
    orgId,
    projectId,
    projects: projects.data ?? [],
    typed,
    mayReadTasks: may("project:task:read"),
    mayReadFiles: may("project:git:read"),
    mayReadMembers: may("org:members:read"),
    mayCreateTasks: may("project:task:write"),
    goTo,
  });
  const byId = new Map(all.map((item) => [item.id, item]));
  const recentItems = recent.flatMap((id) => {
    const item = byId.get(id);
    return item ? [{ ...item, id: `recent-${id}`, group: "Recent" }] : [];
  });
  return (
    <Palette
      label="Search and commands"
      placeholder="Find a task, person, file or page, or do something"
      recent={recentItems}
      resembles={(text, words) => resembles(text, searchWords(words))}
      items={[...all, ...search.items].map((item) => ({
        ...item,
        run: () => {
          // It would be the first item of the next time.
          if (!/^(Stop|waiting|task|person|file)-/.test(item.id)) addRecent(item.id);
          item.run();
        },
      }))}
      offer={
        may("project:task:write") && projects.data?.length !== 0
          ? (typed) => ({
              id: "new-task-typed",
              group: "New task",
              icon: "plus",
              label: `New task: ${typed}`,
              run: () => openNewTask(typed),
            })
          : undefined
      }
      isLoading={
        (enabled && (projects.isPending || agents.isPending)) || keys.isPending || search.isLoading
      }
      onType={setTyped}
      onClose={onClose}
    />
  );
}
