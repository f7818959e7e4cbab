import type { ReactElement } from "react";
import type { AttentionItem } from "#shared/api/organizations/overview.js";
import type { OrganizationItem } from "#shared/api/organizations/organizations.js";
import { archivedReason, useDenyReason } from "../../access/permissions.js";
import { Icon } from "../../ui/actions/icons.js";
import { countOf } from "../../ui/text/number.js";
import { AttentionRow } from "./attention-row.js";
import { Rows, Section } from "./section.js";

interface NeedsYouProps {
  organization: OrganizationItem;
  items: readonly AttentionItem[];
  /** Number of agents at work; null while it is unknown. */
  running: number | null;
  onDismiss: (item: AttentionItem) => void;
}

export function NeedsYou({ organization, items, running, onDismiss }: NeedsYouProps): ReactElement {
  const refusal = useDenyReason(organization.id);
  return (
    <Section title="Needs you" count={items.length}>
      {items.length === 0 ? (
        <AllClear running={running} />
      ) : (
        <Rows label="Needs you">
          {items.map((item) => (
            <AttentionRow
              key={item.key}
              item={item}
              orgId={organization.id}
              refusal={refusal}
              doneReason={organization.is_active ? undefined : archivedReason}
              onDismiss={() => onDismiss(item)}
            />
          ))}
        </Rows>
      )}
    </Section>
  );
}

function AllClear({ running }: Pick<NeedsYouProps, "running">): ReactElement {
  return (
    <div className="flex items-center gap-3 rounded-lg border border-line bg-surface px-4 py-4 shadow-raised">
      <span className="grid size-8 shrink-0 place-items-center rounded-full bg-good-soft text-good">
        <Icon name="check" />
      </span>
      <p>
        <span className="font-medium">All clear.</span>{" "}
        <span className="text-muted">{clearText(running)}</span>
      </p>
    </div>
  );
}

function clearText(running: NeedsYouProps["running"]): string {
  if (running === null) return "Nothing waits for you.";
  if (running === 0) return "Nothing waits for you, and no agent is at work.";
  return `Nothing waits for you; ${countOf(running, "agent is", "agents are")} at work.`;
}
