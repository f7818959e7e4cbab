import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths.js";
import { Icon } from "../../ui/icons.js";
import { Menu, MenuChoices, MenuHeading, MenuItem, MenuLine } from "../../ui/menu.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { notify } from "../../ui/toast.js";
import { switchOrganization, useCurrentOrganization } from "../organizations/current.js";

/** The choices of a menu that switches the organization, wherever it opens. */
export function OrganizationChoices(): ReactElement {
  const { organization, organizations } = useCurrentOrganization();
  const handleChange = (orgId: string): void => {
    switchOrganization(orgId);
    const name = organizations.find(({ id }) => id === orgId)?.name ?? "";
    notify(`Switched to ${visible(name)}`);
  };
  return (
    <>
      <MenuHeading>Switch organization</MenuHeading>
      <MenuChoices
        value={organization?.id}
        onChange={handleChange}
        choices={organizations.map(({ id, name }) => ({ value: id, label: <PlainText value={name} /> }))}
      />
    </>
  );
}

/** The current organization in the header, and the way to another. */
export function OrganizationMenu(): ReactElement | null {
  const { organization } = useCurrentOrganization();
  const navigate = useNavigate();
  if (organization === undefined) return null;
  return (
    <Menu
      label="Organization"
      trigger={
        <button
          type="button"
          aria-label={`Current organization: ${visible(organization.name)}`}
          className="inline-flex h-8 min-w-0 items-center gap-2 rounded-md px-2 font-medium hover:bg-sunken"
        >
          <span
            aria-hidden="true"
            className="grid size-5 shrink-0 place-items-center rounded bg-accent text-xs font-semibold text-on-accent uppercase"
          >
            {[...visible(organization.name)][0]}
          </span>
          <span className="truncate">
            <PlainText value={organization.name} />
          </span>
          <Icon name="chevronDown" className="text-muted" />
        </button>
      }
    >
      <OrganizationChoices />
      <MenuLine />
      <MenuItem icon="building" onSelect={() => void navigate(paths.organization(organization.id))}>
        View organization
      </MenuItem>
      <MenuItem icon="plus" onSelect={() => void navigate(paths.newOrganization())}>
        New Organization
      </MenuItem>
    </Menu>
  );
}
