import type { ReactElement } from "react";
import type { AuditEvent } from "#shared/api/organization/audit.js";
import { PlainText } from "../../../../ui/text/plain-text.js";
import { Time } from "../../../../ui/text/time.js";

type Value = AuditEvent["changes"][string]["from"];

function textOf(value: Value): string {
  if (typeof value === "string") return value;
  const isFlat = Array.isArray(value) && value.every((item) => typeof item === "string");
  return isFlat && value.length > 0 ? value.join(", ") : JSON.stringify(value);
}

const clipped = 80;
/** A timestamp of the API: RFC 3339, UTC. */
const timestamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

function ValueText({ value, isWhole }: { value: Value; isWhole: boolean }): ReactElement {
  if (value === null || value === "" || (Array.isArray(value) && value.length === 0)) {
    return <span className="text-muted">{value === "" ? "empty" : "none"}</span>;
  }
  if (typeof value === "string" && timestamp.test(value)) return <Time value={value} wraps />;
  const text = textOf(value);
  const isCut = !isWhole && text.length > clipped;
  return <PlainText value={isCut ? `${text.slice(0, clipped)}…` : text} multiline={isWhole} />;
}

interface EventChangesProps {
  changes: AuditEvent["changes"];
  /** Shows all changes in full; otherwise only the first few readable ones, shortened. */
  isWhole?: boolean;
}

const maxShown = 3;

/** The changed values: "role: viewer → admin". */
export function EventChanges({ changes, isWhole = false }: EventChangesProps): ReactElement | null {
  const entries = Object.entries(changes);
  const telling = entries.filter(([field]) => !field.endsWith("_id"));
  const rows = isWhole ? entries : telling.slice(0, maxShown);
  if (rows.length === 0) return null;
  return (
    <ul className="text-[13px]">
      {rows.map(([field, { from, to }]) => (
        <li key={field} className="[overflow-wrap:anywhere]">
          <span className="text-muted">{field.replaceAll("_", " ")}: </span>
          {from !== null && (
            <>
              <ValueText value={from} isWhole={isWhole} />
              <span aria-hidden="true" className="text-muted">
                {" → "}
              </span>
              <span className="sr-only"> becomes </span>
            </>
          )}
          <ValueText value={to} isWhole={isWhole} />
        </li>
      ))}
      {rows.length < entries.length && (
        <li className="text-muted">and {entries.length - rows.length} more</li>
      )}
    </ul>
  );
}
