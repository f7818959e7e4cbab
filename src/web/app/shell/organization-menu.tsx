import type { ReactElement } from "react";
import { deferMenu } from "../../ui/overlays/deferred-menu.js";
import { Icon } from "../../ui/actions/icons.js";
import { initialOf, PlainText, visible } from "../../ui/text/plain-text.js";
import { needsSearch, useCurrentOrganization } from "../../access/current-organization.js";

const HeaderMenu = deferMenu(
  async () =>
    (await import("../../features/organization/organizations/organization-choices.js")).HeaderMenu,
);

/** Shows the current organization in the header and switches to another. */
export function OrganizationMenu(): ReactElement | null {
  const { organization, organizations } = useCurrentOrganization();
  if (organization === undefined) return null;
  return (
    <HeaderMenu
      trigger={
        <button
          type="button"
          aria-haspopup={needsSearch(organizations) ? "dialog" : "menu"}
          aria-label={`Current organization: ${visible(organization.name)}`}
          className="inline-flex h-8 min-w-0 items-center gap-2 rounded-md px-2 font-medium hover:bg-sunken"
        >
          <span
            aria-hidden="true"
            // Drawn by the style sheet, so that it is no part of the button's visible name (WCAG
            // 2.5.3).
            data-initial={initialOf(organization.name)}
            className="grid size-5 shrink-0 place-items-center rounded bg-accent text-xs font-semibold text-on-accent uppercase before:content-[attr(data-initial)]"
          />
          <span className="truncate">
            <PlainText value={organization.name} />
          </span>
          <Icon name="chevronDown" className="text-muted" />
        </button>
      }
    />
  );
}
