import { useNavigate, useParams } from "@tanstack/react-router";
import {
  cloneElement,
  type ComponentProps,
  type ReactElement,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { paths } from "../../../paths/paths.js";
import { Menu, MenuChoices, MenuHeading, MenuItem, MenuLine } from "../../../ui/overlays/menu.js";
import { Palette, type PaletteItem } from "../../../ui/overlays/palette.js";
import { PlainText, visible } from "../../../ui/text/plain-text.js";
import { notify } from "../../../ui/feedback/toast.js";
import {
  needsSearch,
  switchOrganization,
  useCurrentOrganization,
} from "../../../access/current-organization.js";

type Trigger = ReactElement<ComponentProps<"button">>;

function useChoice() {
  const { organization, organizations } = useCurrentOrganization();
  const navigate = useNavigate();
  const isOfObject = useParams({
    strict: false,
    select: (params) => Object.keys(params).length > 0,
  });
  const choose = (orgId: string): void => {
    // The page of an object belongs to the previous organization; lists change automatically.
    if (isOfObject) void navigate(paths.organization(orgId));
    else switchOrganization(orgId);
    const name = organizations.find(({ id }) => id === orgId)?.name ?? "";
    notify(`Switched to ${visible(name)}`);
  };
  return { organization, organizations, choose };
}

function Choices(): ReactElement {
  const { organization, organizations, choose } = useChoice();
  return (
    <>
      <MenuHeading>Switch Organization</MenuHeading>
      <MenuChoices
        value={organization?.id}
        onChange={choose}
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

/** A search dialog for many organizations, with the menu's other entries. */
function OrganizationSearch({
  trigger,
  more,
}: {
  trigger: Trigger;
  more: readonly PaletteItem[];
}): ReactElement {
  const [isOpen, setOpen] = useState(true);
  const { organization, organizations, choose } = useChoice();
  const button = useRef<HTMLButtonElement>(null);
  // This button replaced the clicked one, so the focus returns here.
  useLayoutEffect(() => button.current?.focus(), []);
  return (
    <>
      {cloneElement(trigger, {
        ref: button,
        "aria-expanded": isOpen,
        onClick: () => setOpen(true),
      })}
      {isOpen && (
        <Palette
          label="Switch Organization"
          placeholder="Name or slug of an organization"
          items={[
            ...more,
            ...organizations.map(({ id, name, slug }) => ({
              id,
              group: "Switch Organization",
              icon: id === organization?.id ? ("check" as const) : ("building" as const),
              label: name,
              hint: id === organization?.id ? `${slug} · current` : slug,
              run: () => choose(id),
            })),
          ]}
          isLoading={false}
          onClose={() => setOpen(false)}
        />
      )}
    </>
  );
}

/** Only switches: [Switch Organization] on the organizations page. */
export function SwitchMenu({ trigger }: { trigger: Trigger }): ReactElement {
  const { organizations } = useCurrentOrganization();
  if (needsSearch(organizations)) return <OrganizationSearch trigger={trigger} more={[]} />;
  return (
    <Menu label="Switch Organization" align="end" trigger={trigger}>
      <Choices />
    </Menu>
  );
}

/** The header's menu: switches, and links to the organization. */
export function HeaderMenu({ trigger }: { trigger: Trigger }): ReactElement {
  const { organization, organizations } = useCurrentOrganization();
  const navigate = useNavigate();
  const others = [
    ...(organization
      ? [
          {
            icon: "building" as const,
            label: "View organization",
            run: () => void navigate(paths.organization(organization.id)),
          },
        ]
      : []),
    {
      icon: "plus" as const,
      label: "New Organization",
      run: () => void navigate(paths.newOrganization()),
    },
  ];
  if (needsSearch(organizations)) {
    const more = others.map((item) => ({ ...item, id: item.label, group: "Actions" }));
    return <OrganizationSearch trigger={trigger} more={more} />;
  }
  return (
    <Menu label="Organization" trigger={trigger}>
      <Choices />
      <MenuLine />
      {others.map(({ icon, label, run }) => (
        <MenuItem key={label} icon={icon} onSelect={run}>
          {label}
        </MenuItem>
      ))}
    </Menu>
  );
}
