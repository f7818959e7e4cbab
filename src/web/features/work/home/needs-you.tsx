import { type PointerEvent, type ReactElement, type RefObject, useState } from "react";
import type { AttentionItem } from "#shared/api/work/overview.js";
import type { OrganizationItem } from "#shared/api/organization/organizations.js";
import { archivedReason, useDenyReason } from "../../../access/permissions.js";
import { Icon } from "../../../ui/actions/icons.js";
import { countOf, formatNumber } from "../../../ui/text/number.js";
import { AttentionRow } from "./attention-row.js";
import { rowOf, sectionOf, sections, sectionTitles } from "./attention-sections.js";
import { Rows, Section } from "./section.js";
import { SnoozeDialog } from "./snooze-dialog.js";
import { useRowKeys } from "./use-row-keys.js";
import { useSettledItems } from "./use-settled-items.js";

interface NeedsYouProps {
  organization: OrganizationItem;
  /** The viewer. */
  userId: string | undefined;
  /** The same array as long as nothing changes. */
  items: readonly AttentionItem[];
  /** Number of agents at work; null while it is unknown. */
  running: number | null;
  /** Contains all rows of the page that the keys move between. */
  container: RefObject<HTMLElement | null>;
  /** Marks an item as done, or snoozes it until a time. */
  onDismiss: (item: AttentionItem, until?: Date) => void;
}

/**
 * What needs a person, by sections. Rows stay in their places: new ones wait behind a button, and one whose item is gone
 * stays while the pointer is over the list.
 */
export function NeedsYou(props: NeedsYouProps): ReactElement {
  const { organization, userId, items, running, container, onDismiss } = props;
  const refusal = useDenyReason(organization.id);
  const [isInside, setInside] = useState(false);
  const [answering, setAnswering] = useState<string | null>(null);
  const [snoozed, setSnoozed] = useState<AttentionItem | null>(null);
  /** Rows that the viewer has dealt with: they may leave at once. */
  const [handled, setHandled] = useState<ReadonlySet<string>>(new Set());
  const { rows, fresh, showFresh, drop } = useSettledItems(
    items,
    (row) => row === answering || (isInside && !handled.has(row)),
  );
  const handle = (row: string): void => setHandled((before) => new Set(before).add(row));
  const dismiss = (item: AttentionItem, until?: Date): void => {
    handle(rowOf(item));
    onDismiss(item, until);
  };
  const itemOf = (row: string): AttentionItem | undefined => {
    const found = rows.find((candidate) => candidate.row === row);
    return found === undefined || found.isGone ? undefined : found.item;
  };
  const doneReason = organization.is_active ? undefined : archivedReason;
  useRowKeys(container, {
    done: (row) => {
      const item = itemOf(row);
      if (item && doneReason === undefined) dismiss(item);
    },
    snooze: (row) => {
      const item = itemOf(row);
      if (item && doneReason === undefined) setSnoozed(item);
    },
  });
  const handleShowFresh = (): void => {
    const [first] = fresh;
    showFresh();
    if (first === undefined) return;
    // The button that had the focus is gone.
    requestAnimationFrame(() =>
      container.current
        ?.querySelector<HTMLElement>(`[data-row="${CSS.escape(rowOf(first))}"] [data-row-link]`)
        ?.focus(),
    );
  };
  const handleLeave = ({ pointerType }: PointerEvent): void => {
    if (pointerType === "touch") return;
    setInside(false);
    drop(answering);
  };
  return (
    <section
      aria-label="Needs you"
      className="relative flex flex-col gap-6"
      // A touch has no place between two of them.
      onPointerEnter={({ pointerType }) => setInside(pointerType !== "touch")}
      onPointerLeave={handleLeave}
    >
      <NewRows count={fresh.length} onShow={handleShowFresh} />
      {rows.length === 0 && <NothingWaits running={running} />}
      {sections.map((name) => {
        const ofSection = rows.filter(({ item }) => sectionOf(item) === name);
        if (ofSection.length === 0) return null;
        return (
          <Section
            key={name}
            title={sectionTitles[name]}
            count={ofSection.filter(({ isGone }) => !isGone).length}
          >
            <Rows label={sectionTitles[name]}>
              {ofSection.map(({ row, item, isGone }) => (
                <AttentionRow
                  key={row}
                  item={item}
                  orgId={organization.id}
                  userId={userId}
                  isGone={isGone}
                  refusal={refusal}
                  doneReason={doneReason}
                  isAnswering={answering === row}
                  onAnswering={(isOpen) => {
                    setAnswering(isOpen ? row : null);
                    if (!isOpen && !isInside) drop(null);
                  }}
                  onHandle={() => handle(row)}
                  onDismiss={() => dismiss(item)}
                  onSnooze={() => setSnoozed(item)}
                />
              ))}
            </Rows>
          </Section>
        );
      })}
      <SnoozeDialog
        isOpen={snoozed !== null}
        onClose={() => setSnoozed(null)}
        onSnooze={(until) => {
          if (snoozed) dismiss(snoozed, until);
          setSnoozed(null);
        }}
      />
    </section>
  );
}

/** The button that shows new rows, over the page: it moves nothing. */
function NewRows({ count, onShow }: { count: number; onShow: () => void }): ReactElement {
  return (
    <div className="pointer-events-none sticky top-16 z-10 -mb-6 flex h-0 justify-end md:justify-center">
      <output>
        {count > 0 && (
          <button
            type="button"
            onClick={onShow}
            className="pointer-events-auto inline-flex h-8 -translate-y-1 items-center gap-1.5 rounded-full bg-accent pr-3.5 pl-2.5 text-[13px] font-medium text-on-accent shadow-floating hover:bg-accent-strong"
          >
            <Icon name="send" className="!size-3.5" />
            {formatNumber(count)} new
          </button>
        )}
      </output>
    </div>
  );
}

function NothingWaits({ running }: Pick<NeedsYouProps, "running">): ReactElement {
  return (
    <div className="flex items-center gap-3 rounded-lg border border-line bg-surface px-4 py-4 shadow-raised">
      <span className="grid size-8 shrink-0 place-items-center rounded-full bg-good-soft text-good">
        <Icon name="check" />
      </span>
      <p>
        <span className="font-medium">Nothing needs you.</span>
        {running !== null && (
          <>
            {" "}
            <span className="text-muted">
              {running === 0
                ? "No agent is at work."
                : `${countOf(running, "agent is", "agents are")} at work.`}
            </span>
          </>
        )}
      </p>
    </div>
  );
}
