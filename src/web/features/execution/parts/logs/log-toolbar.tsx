import type { ReactElement } from "react";
import type { Run } from "#shared/api/execution/runs.js";
import { buttonClass, IconButton } from "../../../../ui/actions/button.js";
import { controlClass } from "../../../../ui/fields/field.js";
import { Icon } from "../../../../ui/actions/icons.js";

interface LogToolbarProps {
  run: Run;
  query: string;
  onSearch: (query: string) => void;
  /** Position of the current match and number of matches. */
  found: string;
  onGo: (step: 1 | -1) => void;
  switches: readonly { label: string; isOn: boolean; onChange: (isOn: boolean) => void }[];
}

/** Search, display options and download of a log. */
export function LogToolbar(props: LogToolbarProps): ReactElement {
  const { run, query, onSearch, found, onGo, switches } = props;
  return (
    <div className="flex flex-wrap items-center gap-2 px-4 py-3">
      <search className="flex min-w-0 grow basis-full items-center gap-1 sm:basis-0">
        <input
          type="search"
          aria-label="Search the log"
          placeholder="Search"
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => onSearch(event.target.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault();
            onGo(event.shiftKey ? -1 : 1);
          }}
          className={`${controlClass} h-8 w-64 min-w-28 shrink`}
        />
        <IconButton
          label="Previous line found"
          icon="chevronDown"
          className="shrink-0 [&_svg]:rotate-180"
          onClick={() => onGo(-1)}
        />
        <IconButton
          label="Next line found"
          icon="chevronDown"
          className="shrink-0"
          onClick={() => onGo(1)}
        />
        <output
          // While the log grows, so does the count.
          aria-live={run.ended_at === null ? "off" : "polite"}
          className="min-w-0 truncate text-[13px] text-muted"
        >
          {found}
        </output>
      </search>
      {switches.map(({ label, isOn, onChange }) => (
        <button
          key={label}
          type="button"
          aria-pressed={isOn}
          onClick={() => onChange(!isOn)}
          className={`${buttonClass("secondary", "sm")} aria-pressed:bg-accent-soft aria-pressed:text-accent-ink`}
        >
          {label}
        </button>
      ))}
      <a
        href={`/api/v1/runs/${run.id}/logs?download=true&times=true`}
        download
        aria-label="Download the log"
        className={buttonClass("secondary", "sm")}
      >
        <Icon name="download" />
        Download
      </a>
      {run.preset !== null && run.preset !== "custom" && run.session_id === null && (
        <a
          href={`/api/v1/runs/${run.id}/logs?download=true&raw=true`}
          download
          aria-label="Download the raw output"
          className={buttonClass("secondary", "sm")}
        >
          <Icon name="download" />
          Raw
        </a>
      )}
    </div>
  );
}
