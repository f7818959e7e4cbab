/* oxlint-disable jsx-a11y/prefer-tag-over-role, jsx-a11y/click-events-have-key-events, jsx-a11y/interactive-supports-focus -- the combobox pattern (WAI-ARIA APG): the input keeps the focus and refers to the active option, which native elements cannot do */
import { Dialog as Radix } from "radix-ui";
import { type KeyboardEvent, type ReactElement, useEffect, useId, useRef, useState } from "react";
import { overlay, useModal } from "./dialog-frame.js";
import { fuzzyScore } from "./fuzzy.js";
import { Icon, type IconName, Spinner } from "../actions/icons.js";
import { countOf, formatNumber } from "../text/number.js";
import { PlainText } from "../text/plain-text.js";

export interface PaletteItem {
  id: string;
  /** Heading of the item's group. */
  group: string;
  icon: IconName;
  label: string;
  /** Distinguishes items of the same name. */
  hint?: string;
  /** Hidden words that the search matches, too. */
  keywords?: string;
  /** Whether the server found it for what is typed. */
  isFound?: boolean;
  run: () => void;
}

interface PaletteProps {
  label: string;
  placeholder: string;
  items: readonly PaletteItem[];
  /** Shown first until something is typed. */
  recent?: readonly PaletteItem[];
  /** Makes an item of what is typed; it comes last. */
  offer?: ((typed: string) => PaletteItem) | undefined;
  /** Whether a text has the typed words, even misspelled; without it, only as they are. */
  resembles?: (text: string, typed: string) => boolean;
  /** Whether more items may follow. */
  isLoading: boolean;
  onType?: (typed: string) => void;
  onClose: () => void;
}

const maxShown = 40;
/** Above letters that are scattered over a label, below words. */
const foundScore = 90;
/** Of an item that has the words misspelled. */
const similarScore = 1;

/**
 * Returns the best items, grouped, with groups ordered by their best item; and the total number of
 * matches.
 */
function rank(
  items: readonly PaletteItem[],
  typed: string,
  resembles: PaletteProps["resembles"],
): { found: readonly PaletteItem[]; total: number } {
  const scored = items.flatMap((item) => {
    const byLabel = fuzzyScore(item.label, typed);
    const words = `${item.hint ?? ""} ${item.keywords ?? ""}`.toLowerCase();
    // Hidden keywords must match literally, or results would look random.
    const byWords = words.includes(typed.trim().toLowerCase()) ? 100 : 0;
    const score =
      Math.max(byLabel, byWords, item.isFound === true ? foundScore : 0) ||
      (resembles?.(`${item.label} ${words}`, typed) === true ? similarScore : 0);
    return score > 0 ? [{ item, score }] : [];
  });
  const best = (
    typed.trim() === "" ? scored : scored.toSorted((left, right) => right.score - left.score)
  )
    .slice(0, maxShown)
    .map(({ item }) => item);
  const groups = [...new Set(best.map(({ group }) => group))];
  const found = groups.flatMap((group) => best.filter((item) => item.group === group));
  return { found, total: scored.length };
}

/** A dialog with a search field that opens or runs the selected item. */
export function Palette({
  label,
  placeholder,
  items,
  recent,
  offer,
  resembles,
  isLoading,
  onType,
  onClose,
}: PaletteProps): ReactElement {
  const id = useId();
  const [typed, setTyped] = useState("");
  const [activeAt, setActive] = useState(0);
  const modal = useModal();
  const list = useRef<HTMLDivElement>(null);
  const ranked = rank(
    typed.trim() === "" ? [...(recent ?? []), ...items] : items,
    typed,
    resembles,
  );
  const offered = typed.trim() === "" ? undefined : offer?.(typed.trim());
  const found = offered === undefined ? ranked.found : [...ranked.found, offered];
  const total = ranked.total + (found.length - ranked.found.length);
  const active = found[Math.min(activeAt, found.length - 1)];
  const optionId = (item: PaletteItem): string => `${id}-${item.id}`;
  const activeId = active && optionId(active);
  useEffect(() => {
    if (activeId !== undefined)
      document.getElementById(activeId)?.scrollIntoView({ block: "nearest" });
  }, [activeId]);

  const choose = (item: PaletteItem): void => {
    onClose();
    item.run();
  };
  const handleKeyDown = (event: KeyboardEvent): void => {
    const last = found.length - 1;
    const at = Math.min(activeAt, last);
    const targets: Record<string, number> = {
      ArrowDown: at >= last ? 0 : at + 1,
      ArrowUp: at <= 0 ? last : at - 1,
      PageDown: Math.min(last, at + 8),
      PageUp: Math.max(0, at - 8),
    };
    const target = targets[event.key];
    if (target !== undefined) setActive(Math.max(0, target));
    else if (event.key === "Enter" && active && !event.nativeEvent.isComposing) choose(active);
    else return;
    event.preventDefault();
  };
  const groups = [...new Set(found.map(({ group }) => group))];
  return (
    <Radix.Root open onOpenChange={(open) => !open && onClose()}>
      <Radix.Portal>
        <div className={overlay}>
          <div className="grid min-h-[calc(100%+1px)] items-start justify-items-center p-4 sm:pt-[12vh]">
            <Radix.Content
              {...modal}
              aria-describedby={undefined}
              className="pointer-events-auto w-full max-w-xl overflow-hidden rounded-xl border border-line bg-surface shadow-floating"
            >
              <Radix.Title className="sr-only">{label}</Radix.Title>
              <div className="flex items-center gap-2.5 border-b border-line px-4 focus-within:border-accent-ink">
                <Icon name="search" className="text-muted" />
                <input
                  role="combobox"
                  aria-label={label}
                  aria-expanded="true"
                  aria-controls={`${id}-list`}
                  aria-autocomplete="list"
                  aria-activedescendant={activeId}
                  autoComplete="off"
                  spellCheck={false}
                  placeholder={placeholder}
                  value={typed}
                  onChange={(event) => {
                    setTyped(event.target.value);
                    onType?.(event.target.value);
                    setActive(0);
                  }}
                  onKeyDown={handleKeyDown}
                  className="h-12 min-w-0 flex-1 bg-transparent text-base text-ink outline-hidden placeholder:text-muted"
                />
                {isLoading && <Spinner />}
                <Radix.Close className="min-h-6 rounded border border-line px-1.5 text-xs text-muted hover:text-ink">
                  <span aria-hidden="true">Esc</span>
                  <span className="sr-only">Close</span>
                </Radix.Close>
              </div>
              <div
                ref={list}
                id={`${id}-list`}
                role="listbox"
                aria-label={label}
                className="max-h-[min(26rem,55vh)] overflow-y-auto p-1.5"
              >
                {groups.map((group, at) => (
                  <div key={group} role="group" aria-labelledby={`${id}-group-${at}`}>
                    <div
                      // Not the group's name: ids must not contain spaces.
                      id={`${id}-group-${at}`}
                      role="presentation"
                      className="px-2.5 pt-2 pb-1 text-xs font-medium text-muted"
                    >
                      {group}
                    </div>
                    {found
                      .filter((item) => item.group === group)
                      .map((item) => (
                        <Option
                          key={item.id}
                          id={optionId(item)}
                          item={item}
                          isActive={item === active}
                          onPoint={() => setActive(found.indexOf(item))}
                          onChoose={() => choose(item)}
                        />
                      ))}
                  </div>
                ))}
              </div>
              {ranked.found.length === 0 && (
                <p className="px-4 pt-2 pb-6 text-center text-muted">
                  {isLoading ? "Looking…" : "No results. Try a name, or a word such as “key”."}
                </p>
              )}
              {total > found.length && (
                <p
                  aria-hidden="true"
                  className="border-t border-line px-4 py-2 text-[13px] text-muted"
                >
                  {formatNumber(total - found.length)} more: type to find them.
                </p>
              )}
              <output className="sr-only">
                {countOf(total, "result")}
                {total > found.length && `, of which ${found.length} are listed`}
              </output>
            </Radix.Content>
          </div>
        </div>
      </Radix.Portal>
    </Radix.Root>
  );
}

interface OptionProps {
  id: string;
  item: PaletteItem;
  isActive: boolean;
  onPoint: () => void;
  onChoose: () => void;
}

function Option({
  id,
  item: { icon, label, hint },
  isActive,
  onPoint,
  onChoose,
}: OptionProps): ReactElement {
  return (
    <div
      id={id}
      role="option"
      aria-selected={isActive}
      onPointerMove={onPoint}
      onClick={onChoose}
      className="flex min-h-9 cursor-pointer items-center gap-2.5 rounded-md px-2.5 py-1.5 aria-selected:bg-accent-soft aria-selected:text-accent-ink"
    >
      <Icon name={icon} className="text-muted" />
      <span className="min-w-0 truncate">
        <PlainText value={label} />
      </span>
      {hint !== undefined && (
        <span className="ml-auto min-w-0 truncate pl-4 text-[13px] text-muted">
          <PlainText value={hint} />
        </span>
      )}
    </div>
  );
}
