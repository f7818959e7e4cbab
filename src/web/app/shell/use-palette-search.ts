import { keepPreviousData, useQueries, useQuery } from "@tanstack/react-query";
import type { Project } from "#shared/api/code/projects.js";
import { taskNumber, taskStatusNames } from "#shared/work/task-words.js";
import { membersQuery } from "../../api/queries/organization/organizations.js";
import { foundFilesQuery, foundTasksQuery } from "../../api/queries/work/search.js";
import { openNewTask } from "../../hooks/new-task.js";
import { useDebounced } from "../../hooks/use-debounced.js";
import { paths } from "../../paths/paths.js";
import type { PaletteItem } from "../../ui/overlays/palette.js";
import type { Path } from "./palette-items.js";

/** Projects whose files are searched from a page of no project. */
const MAX_PROJECTS = 4;
const pauseMs = 150;

interface SearchOptions {
  /** Empty without an organization. */
  orgId: string;
  /** The project of the open page. */
  projectId: string | undefined;
  projects: readonly Project[];
  typed: string;
  mayReadTasks: boolean;
  mayReadFiles: boolean;
  mayReadMembers: boolean;
  mayCreateTasks: boolean;
  goTo: (path: Path) => () => void;
}

/** Tasks, people and files for what is typed. */
export function usePaletteSearch({
  orgId,
  projectId,
  projects,
  typed,
  mayReadTasks,
  mayReadFiles,
  mayReadMembers,
  mayCreateTasks,
  goTo,
}: SearchOptions): { items: PaletteItem[]; isLoading: boolean } {
  const text = typed.trim().slice(0, 200);
  const q = useDebounced(text, pauseMs);
  // A letter of the Latin alphabet finds nearly everything; a sign of another script may be a word.
  const isWord = orgId !== "" && (q.length > 1 || /[^\p{ASCII}]/u.test(q));
  const tasks = useQuery({
    ...foundTasksQuery(orgId, q),
    enabled: isWord && mayReadTasks,
    placeholderData: keepPreviousData,
  });
  const searched =
    projectId === undefined
      ? projects.slice(0, MAX_PROJECTS)
      : projects.filter(({ id }) => id === projectId);
  const files = useQueries({
    queries: searched.map(({ id }) => ({
      ...foundFilesQuery(id, q),
      enabled: isWord && mayReadFiles,
      placeholderData: keepPreviousData,
    })),
  });
  const members = useQuery({ ...membersQuery(orgId), enabled: isWord && mayReadMembers });
  if (text === "" || orgId === "") return { items: [], isLoading: false };
  const people = (members.data ?? []).filter(({ kind }) => kind === "user");
  return {
    items: [
      ...(tasks.data ?? []).map((task) => ({
        id: `task-${task.id}`,
        group: "Tasks",
        icon: "check" as const,
        label: `${taskNumber(task)} ${task.title}`,
        hint: taskStatusNames[task.status],
        isFound: true,
        run: goTo(paths.task(task.id)),
      })),
      ...people.map(({ id, display_name, email }) => ({
        id: `person-${id}`,
        group: "People",
        icon: "person" as const,
        label: display_name,
        hint: email ?? "",
        run: goTo(paths.organizationSettings(orgId, { tab: "members" })),
      })),
      ...searched.flatMap(({ id, name }, at) =>
        (files[at]?.data ?? []).map(({ path }) => ({
          id: `file-${id}-${path}`,
          group: "Files",
          icon: "file" as const,
          label: path,
          hint: mayCreateTasks ? `New task in ${name}` : name,
          isFound: true,
          run: mayCreateTasks
            ? () => openNewTask(`${path}: `, id)
            : goTo(paths.projectBranches(id)),
        })),
      ),
    ],
    isLoading:
      text !== q || tasks.isFetching || members.isFetching || files.some((file) => file.isFetching),
  };
}
