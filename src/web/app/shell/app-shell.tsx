import { useQuery } from "@tanstack/react-query";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import {
  lazy,
  type ReactElement,
  type ReactNode,
  Suspense,
  useEffect,
  useRef,
  useState,
} from "react";
import { loadPart } from "../../hooks/connection.js";
import { useRecent } from "../../hooks/recent.js";
import { closeNewTask, openNewTask, useNewTaskDraft } from "../../hooks/new-task.js";
import { useEventCallback } from "../../hooks/use-event-callback.js";
import { paths } from "../../paths/paths.js";
import { IconButton } from "../../ui/actions/button.js";
import { Icon } from "../../ui/actions/icons.js";
import { Skeleton } from "../../ui/feedback/states.js";
import { VerifyReminder } from "../../features/identity/parts/auth/verify-reminder.js";
import { meQuery } from "../../api/queries/identity/auth.js";
import { Brand } from "../../components/brand.js";
import { useCurrentOrganization } from "../../access/current-organization.js";
import { useShortcuts } from "../../ui/overlays/shortcuts.js";
import { useFollowOrganization, useProjectOfPage } from "./follow-organization.js";
import { Navigation } from "./navigation.js";
import { OrganizationMenu } from "./organization-menu.js";
import { ProfileMenu } from "./profile-menu.js";
import type { StoppedRun } from "./stop-run-dialog.js";

const LiveUpdates = lazy(async () => ({
  default: (await loadPart(() => import("./live-updates.js"))).LiveUpdates,
}));
const openPalette = () => loadPart(() => import("./command-palette.js"));
const CommandPalette = lazy(async () => ({ default: (await openPalette()).CommandPalette }));
const StopRunDialog = lazy(async () => ({
  default: (await loadPart(() => import("./stop-run-dialog.js"))).StopRunDialog,
}));
const loadNewTask = () =>
  loadPart(() => import("../../features/work/parts/tasks/new-task-dialog.js"));
const NewTaskDialog = lazy(async () => ({ default: (await loadNewTask()).NewTaskDialog }));
const PhoneMenu = lazy(async () => ({
  default: (await loadPart(() => import("./phone-menu.js"))).PhoneMenu,
}));

/** Sidebar, header and page; below 1024 pixels the sidebar becomes a menu. */
export function AppShell({ children }: { children?: ReactNode }): ReactElement {
  const main = useRef<HTMLElement>(null);
  const [isMenuOpen, setMenuOpen] = useState(false);
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const [stopped, setStopped] = useState<StoppedRun | null>(null);
  useRecordedVisits();
  useFollowOrganization();
  useShortcuts("Everywhere", [{ key: "c", what: "New task", run: () => openNewTask() }]);
  usePaletteShortcut(() => setPaletteOpen((isOpen) => !isOpen));
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[14rem_minmax(0,1fr)] print:block">
      <a
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
        className="fixed top-2 left-2 z-50 -translate-y-16 rounded-md bg-accent px-3 py-1.5 font-medium text-on-accent focus:translate-y-0 print:hidden"
      >
        Skip to content
      </a>
      <aside className="sticky top-0 hidden h-dvh flex-col gap-5 border-r border-line bg-surface px-3 py-3.5 lg:flex print:hidden">
        <Link
          {...paths.home()}
          aria-label="Omoi, home"
          activeProps={{ "aria-current": undefined }}
          className="px-2.5"
        >
          <Brand />
        </Link>
        <Navigation />
        <Link
          {...paths.welcome()}
          className="mt-auto -mb-4 rounded-md px-2.5 py-1.5 text-[13px] text-muted hover:bg-sunken hover:text-ink"
        >
          Getting started
        </Link>
        <a
          href="/api/docs"
          className=" rounded-md px-2.5 py-1.5 text-[13px] text-muted hover:bg-sunken hover:text-ink"
        >
          API reference
        </a>
      </aside>
      <div className="flex min-w-0 flex-col">
        <header className="sticky top-0 z-30 flex h-14 items-center gap-2 border-b border-line bg-surface px-3 sm:px-5 print:hidden">
          <IconButton
            label="Open menu"
            icon="menu"
            aria-haspopup="dialog"
            aria-expanded={isMenuOpen}
            className="lg:hidden"
            onClick={() => setMenuOpen(true)}
          />
          <OrganizationMenu />
          <div className="ml-auto flex items-center gap-2">
            <button
              type="button"
              aria-haspopup="dialog"
              aria-keyshortcuts="Control+K Meta+K"
              onPointerEnter={() => void openPalette()}
              onClick={() => setPaletteOpen(true)}
              className="inline-flex size-8 items-center justify-center gap-2 rounded-md text-muted hover:bg-sunken hover:text-ink sm:w-auto sm:border sm:border-line sm:px-2.5 lg:min-w-56 lg:justify-start"
            >
              <Icon name="search" />
              <span className="sr-only lg:not-sr-only">Search or jump to…</span>
              <kbd className="hidden rounded border border-line px-1.5 font-mono text-xs leading-4.5 sm:inline lg:ml-auto">
                {shortcut}
              </kbd>
            </button>
            <NewTaskButton />
            <ProfileMenu />
          </div>
        </header>
        <Reminder />
        <main
          id="content"
          ref={main}
          tabIndex={-1}
          className="min-w-0 flex-1 px-4 pt-5 pb-16 sm:px-8 print:p-0"
        >
          <Suspense fallback={<Skeleton />}>{children ?? <Outlet />}</Suspense>
        </main>
      </div>
      <Suspense>
        <LiveUpdates />
      </Suspense>
      <NewTask />
      {isPaletteOpen && (
        <Suspense>
          <CommandPalette onClose={() => setPaletteOpen(false)} onStop={setStopped} />
        </Suspense>
      )}
      {stopped && (
        <Suspense>
          <StopRunDialog run={stopped} onClose={() => setStopped(null)} />
        </Suspense>
      )}
      {isMenuOpen && (
        <Suspense>
          <PhoneMenu onClose={() => setMenuOpen(false)} />
        </Suspense>
      )}
    </div>
  );
}

/** Opens the dialog for a new task; on a phone an icon. It keeps its place until the organization is known. */
function NewTaskButton(): ReactElement {
  const { organization } = useCurrentOrganization();
  return (
    <button
      type="button"
      aria-haspopup="dialog"
      aria-keyshortcuts="c"
      onPointerEnter={() => void loadNewTask()}
      onClick={() => openNewTask()}
      className={`inline-flex size-8 items-center justify-center gap-1.5 rounded-md bg-accent font-medium whitespace-nowrap text-on-accent hover:bg-accent-strong sm:w-auto sm:px-2.5 ${organization === undefined ? "invisible" : ""}`}
    >
      <Icon name="plus" />
      <span className="sr-only sm:not-sr-only">New task</span>
      <kbd className="hidden rounded border border-current px-1.5 font-mono text-xs leading-4.5 opacity-80 lg:inline pointer-coarse:hidden">
        c
      </kbd>
    </button>
  );
}

/** The dialog for a new task, while it is open. */
function NewTask(): ReactElement | null {
  const draft = useNewTaskDraft();
  const { organization } = useCurrentOrganization();
  const projectId = useProjectOfPage();
  if (draft === null || organization === undefined) return null;
  return (
    <Suspense>
      <NewTaskDialog
        organization={organization}
        projectId={draft.projectId ?? projectId}
        draft={draft.text}
        onClose={closeNewTask}
      />
    </Suspense>
  );
}

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent);
const shortcut = isMac ? "⌘K" : "Ctrl K";

function usePaletteShortcut(toggle: () => void): void {
  const latest = useRef(toggle);
  useEffect(() => {
    latest.current = toggle;
  });
  useEffect(() => {
    const handleKey = (event: KeyboardEvent): void => {
      const isShortcut = event.key.toLowerCase() === "k" && (isMac ? event.metaKey : event.ctrlKey);
      if (!isShortcut || event.shiftKey || event.altKey) return;
      event.preventDefault();
      latest.current();
    };
    document.addEventListener("keydown", handleKey);
    return () => document.removeEventListener("keydown", handleKey);
  }, []);
}

const hiddenKey = "omoi.reminder-hidden";

/** Reminds an unverified user to confirm their address; can be dismissed for the session. */
function Reminder(): ReactElement | null {
  const { data: me } = useQuery(meQuery);
  const [isHidden, setHidden] = useState(() => sessionStorage.getItem(hiddenKey) !== null);
  if (me === undefined || me.is_verified || isHidden) return null;
  const handleDismiss = (): void => {
    sessionStorage.setItem(hiddenKey, "1");
    setHidden(true);
  };
  return <VerifyReminder user={me} onDismiss={handleDismiss} />;
}

/** Remembers the agents and projects that the viewer visits, for the command palette. */
function useRecordedVisits(): void {
  const pathname = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const [, addRecent] = useRecent();
  const add = useEventCallback(addRecent);
  const [, kind, id] = /^\/(agent|project)s\/([\da-f-]{36})/.exec(pathname ?? "") ?? [];
  useEffect(() => {
    if (kind !== undefined && id !== undefined) add(`${kind}-${id}`);
  }, [kind, id, add]);
}
