import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { paths } from "../../paths/paths.js";
import { Icon } from "../../ui/actions/icons.js";
import { meQuery } from "../../api/queries/identity/auth.js";

const common = [
  { label: "Home", icon: "home", path: paths.home() },
  { label: "Tasks", icon: "check", path: paths.tasks() },
  { label: "Organizations", icon: "building", path: paths.organizations() },
  { label: "Projects", icon: "folder", path: paths.projects() },
  { label: "Agents", icon: "agent", path: paths.agents() },
  { label: "API Keys", icon: "key", path: paths.apiKeys() },
] as const;
/** For super admins. */
const installation = { label: "Installation", icon: "lock", path: paths.admin() } as const;

/** The main navigation. The link of the current page or its parent has `aria-current`. */
export function Navigation({ onNavigate }: { onNavigate?: () => void }): ReactElement {
  const { data: me } = useQuery(meQuery);
  const links = me?.is_super_admin === true ? [...common, installation] : common;
  return (
    <nav aria-label="Main">
      <ul className="flex flex-col gap-0.5">
        {links.map(({ label, icon, path }) => (
          <li key={label}>
            <Link
              {...path}
              activeOptions={{ includeSearch: false, exact: label === "Home" }}
              onClick={onNavigate}
              className="flex h-8 items-center gap-2.5 rounded-md px-2.5 font-medium text-muted hover:bg-sunken hover:text-ink aria-[current=page]:bg-accent-soft aria-[current=page]:text-accent-ink"
            >
              <Icon name={icon} />
              {label}
            </Link>
          </li>
        ))}
      </ul>
    </nav>
  );
}
