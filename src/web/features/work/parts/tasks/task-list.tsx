import { useInfiniteQuery } from "@tanstack/react-query";
import { type ReactElement, useState } from "react";
import type { Task } from "#shared/api/work/tasks.js";
import { taskStatusNames, taskStatusOrder } from "#shared/work/task-words.js";
import { useDenyReason } from "../../../../access/permissions.js";
import {
  type TaskFilter,
  type TaskPlace,
  taskPagesQuery,
} from "../../../../api/queries/work/tasks.js";
import { Waiting } from "../../../../components/await.js";
import { openNewTask } from "../../../../hooks/new-task.js";
import { useFilters } from "../../../../lists/list-search.js";
import { useTypedSearch } from "../../../../lists/typed-search.js";
import {
  type TaskGrouping,
  taskGroupings,
  type TaskListSearch,
  taskListSearchOf,
} from "../../../../paths/address-search.js";
import { Button } from "../../../../ui/actions/button.js";
import { EmptyState } from "../../../../ui/feedback/states.js";
import { Checkbox } from "../../../../ui/fields/field.js";
import { SearchField } from "../../../../ui/fields/search-field.js";
import { Select } from "../../../../ui/fields/select.js";
import { PlainText, visible } from "../../../../ui/text/plain-text.js";
import { BulkBar } from "./bulk-bar.js";
import { groupsOf, type TaskGroup } from "./task-groups.js";
import { TaskRow } from "./task-row.js";
import { TaskStatus } from "./task-status.js";

interface TaskListProps {
  place: TaskPlace;
  orgId: string;
  /** Whether to name each task's project, for lists of several projects. */
  withProject?: boolean;
}

/** Tasks by status, unfinished ones first; the filters are in the address. */
export function TaskList({ place, orgId, withProject = false }: TaskListProps): ReactElement {
  const [{ status, group: grouping = "status", ...filters }, change] = useFilters(taskListSearchOf);
  const [q, setQ] = useTypedSearch(filters.q ?? "", (typed) => change({ q: typed || undefined }));
  const selection = useSelection();
  const refusal = useDenyReason(orgId);
  const isFiltered = status !== undefined || Object.keys(filters).length > 0;
  const shown: TaskFilter = { ...filters, status: status ?? "unfinished" };
  return (
    <div className="flex flex-col gap-5">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2.5 print:hidden">
        <div className="w-full sm:max-w-sm sm:grow sm:basis-56">
          <SearchField
            label="Search tasks"
            placeholder="Title, text, number or agent"
            hasShortcut
            value={q}
            onChange={setQ}
          />
        </div>
        <div className="w-36 max-sm:flex-1">
          <Select
            aria-label="Filter by status"
            value={status ?? ""}
            onChange={(next) => change({ status: (next || undefined) as TaskListSearch["status"] })}
            options={[
              { value: "", label: "Unfinished" },
              { value: "finished", label: "Finished" },
              ...taskStatusOrder.map((value) => ({ value, label: taskStatusNames[value] })),
            ]}
          />
        </div>
        <div className="w-44 max-sm:flex-1">
          <Select
            aria-label="Group by"
            value={grouping}
            onChange={(next) =>
              change({ group: next === "status" ? undefined : (next as TaskGrouping) })
            }
            options={taskGroupings.map((value) => ({ value, label: `Group by ${value}` }))}
          />
        </div>
        {/* On a phone below the lists, whose words need the width. */}
        <div className="max-sm:w-full">
          <Checkbox
            label="Only mine"
            checked={filters.mine === true}
            onChange={(isMine) => change({ mine: isMine ? true : undefined })}
          />
        </div>
        {filters.label !== undefined && (
          <Button size="sm" icon="close" onClick={() => change({ label: undefined })}>
            Label: <PlainText value={filters.label} />
          </Button>
        )}
      </div>
      <Groups
        place={place}
        orgId={orgId}
        filter={shown}
        grouping={grouping}
        selection={selection}
        withProject={withProject}
        empty={isFiltered ? "filtered" : "all"}
        onClear={() =>
          change({ status: undefined, mine: undefined, label: undefined, q: undefined })
        }
        onLabel={(label) => change({ label })}
      />
      {status === undefined && grouping === "status" && (
        <Groups
          place={place}
          orgId={orgId}
          filter={{ ...filters, status: "finished" }}
          grouping={grouping}
          selection={selection}
          withProject={withProject}
          empty="nothing"
          onLabel={(label) => change({ label })}
        />
      )}
      {selection.tasks.length > 0 && (
        <BulkBar
          tasks={selection.tasks}
          disabledReason={refusal("project:task:write")}
          onClear={selection.clear}
        />
      )}
    </div>
  );
}

interface GroupsProps extends TaskListProps {
  filter: TaskFilter;
  grouping: TaskGrouping;
  selection: Selection;
  /** What is said without any task. */
  empty: "filtered" | "all" | "nothing";
  onClear?: () => void;
  onLabel: (label: string) => void;
}

function Groups(props: GroupsProps): ReactElement | null {
  const { place, orgId, filter, grouping, withProject = false, empty, onClear, onLabel } = props;
  const { selection } = props;
  const tasks = useInfiniteQuery(taskPagesQuery(place, filter));
  const refusal = useDenyReason(orgId);
  if (tasks.data === undefined) {
    return empty === "nothing" ? null : <Waiting query={tasks} what="The tasks" />;
  }
  const rows = tasks.data.pages.flatMap((page) => page.rows);
  if (rows.length === 0) {
    if (empty === "nothing") return null;
    return empty === "filtered" ? (
      <EmptyState title="No results" action={<Button onClick={onClear}>Clear filters</Button>}>
        Finished tasks are listed with the status Finished.
      </EmptyState>
    ) : (
      <EmptyState
        title="No unfinished tasks"
        action={
          <Button
            variant="primary"
            icon="plus"
            disabledReason={refusal("project:task:write")}
            onClick={() => openNewTask()}
          >
            New task
          </Button>
        }
      >
        Write what should be done; an agent starts with it in a workspace of its own.
      </EmptyState>
    );
  }
  return (
    <>
      {groupsOf(rows, grouping).map((group) => (
        <Group
          key={group.name}
          group={group}
          isWhole={!tasks.hasNextPage}
          grouping={grouping}
          withProject={withProject}
          onLabel={onLabel}
          selection={selection}
        />
      ))}
      {tasks.hasNextPage && (
        <Button
          className="self-center"
          pending={tasks.isFetchingNextPage}
          onClick={() => void tasks.fetchNextPage()}
        >
          Show more
        </Button>
      )}
    </>
  );
}

interface GroupProps {
  group: TaskGroup;
  /** Whether no further rows may follow. */
  isWhole: boolean;
  grouping: TaskGrouping;
  withProject: boolean;
  onLabel: (label: string) => void;
  selection: Selection;
}

function Group({
  group: { name, rows },
  isWhole,
  grouping,
  withProject,
  onLabel,
  selection,
}: GroupProps): ReactElement {
  const [first] = rows;
  return (
    <section aria-label={visible(name)} className="flex flex-col gap-2">
      <h2 className="flex items-baseline gap-2 text-[13px] font-semibold">
        {grouping === "status" && first ? (
          <TaskStatus status={first.status} />
        ) : (
          <PlainText value={name} />
        )}
        <span className="font-normal text-muted tabular-nums">
          {rows.length}
          {!isWhole && "+"}
        </span>
      </h2>
      <ul className="divide-y divide-line rounded-lg border border-line bg-surface">
        {rows.map((task) => (
          <TaskRow
            key={task.id}
            task={task}
            withProject={withProject}
            withStatus={grouping !== "status"}
            onLabel={onLabel}
            isSelected={selection.has(task.id)}
            onSelect={(isSelected) => selection.change(task, isSelected)}
          />
        ))}
      </ul>
    </section>
  );
}

interface Selection {
  tasks: readonly Task[];
  has: (id: string) => boolean;
  change: (task: Task, isSelected: boolean) => void;
  clear: () => void;
}

/** The selected tasks; they stay selected while the filters change. */
function useSelection(): Selection {
  const [tasks, setTasks] = useState<readonly Task[]>([]);
  return {
    tasks,
    has: (id) => tasks.some((task) => task.id === id),
    change: (task, isSelected) =>
      setTasks((before) => {
        const others = before.filter(({ id }) => id !== task.id);
        return isSelected ? [...others, task] : others;
      }),
    clear: () => setTasks([]),
  };
}
