import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths.js";
import { Menu, MenuChoices, MenuHeading, MenuItem, MenuLine } from "../../ui/menu.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { notify } from "../../ui/toast.js";
import { switchOrganization, useCurrentOrganization } from "../organizations/current.js";

function Choices(): ReactElement {
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
        choices={organizations.map(({ id, name, slug }) => ({
          value: id,
          label: (
            <>
              <PlainText value={name} />
              <span className="ml-auto pl-4 text-[13px] text-muted">{slug}</span>
            </>
          ),
        }))}
      />
    </>
  );
}

/** Only switches: [Switch Organization] on the organizations' page. */
export function SwitchMenu({ trigger }: { trigger: ReactElement }): ReactElement {
  return (
    <Menu label="Switch Organization" align="end" trigger={trigger}>
      <Choices />
    </Menu>
  );
}

/** The header's: switches, and leads to the organization itself. */
export function HeaderMenu({ trigger }: { trigger: ReactElement }): ReactElement {
  const { organization } = useCurrentOrganization();
  const navigate = useNavigate();
  return (
    <Menu label="Organization" trigger={trigger}>
      <Choices />
      <MenuLine />
      {organization && (
        <MenuItem
          icon="building"
          onSelect={() => void navigate(paths.organization(organization.id))}
        >
          View organization
        </MenuItem>
      )}
      <MenuItem icon="plus" onSelect={() => void navigate(paths.newOrganization())}>
        New Organization
      </MenuItem>
    </Menu>
  );
}
