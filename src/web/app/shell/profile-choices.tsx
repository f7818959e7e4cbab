import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import type { User } from "#shared/api/identity/auth.js";
import { paths } from "../../paths/paths.js";
import { type Theme, themeNames, themes, useTheme } from "../../hooks/theme.js";
import { Menu, MenuChoices, MenuHeading, MenuItem, MenuLine } from "../../ui/overlays/menu.js";
import { PlainText } from "../../ui/text/plain-text.js";
import { meQuery } from "../../api/queries/identity/auth.js";
import { useSignOut } from "../../access/sign-out.js";

/** The signed-in user, and signing out. */
export function ProfileChoices({ trigger }: { trigger: ReactElement }): ReactElement {
  const queries = useQueryClient();
  const me = queries.getQueryData<User>(meQuery.queryKey);
  const navigate = useNavigate();

  const [theme, setTheme] = useTheme();
  const signOut = useSignOut();
  return (
    <Menu label="Profile" align="end" trigger={trigger}>
      {me && (
        <MenuHeading>
          <span className="block font-medium text-ink">
            <PlainText value={me.full_name ?? me.email} />
          </span>
          {me.full_name !== null && <PlainText value={me.email} />}
        </MenuHeading>
      )}
      <MenuLine />
      <MenuItem icon="person" onSelect={() => void navigate(paths.profile())}>
        Profile
      </MenuItem>
      <MenuItem icon="lock" onSelect={() => void navigate(paths.security())}>
        Security
      </MenuItem>
      <MenuItem icon="bell" onSelect={() => void navigate(paths.notifications())}>
        Notifications
      </MenuItem>
      <MenuItem icon="key" onSelect={() => void navigate(paths.apiKeys())}>
        API Keys
      </MenuItem>
      <MenuLine />
      <MenuHeading>Theme</MenuHeading>
      <MenuChoices
        value={theme}
        onChange={(next) => setTheme(next as Theme)}
        choices={themes.map((name) => ({ value: name, label: themeNames[name] }))}
      />
      <MenuLine />
      <MenuItem icon="signOut" onSelect={() => signOut.submit(undefined)}>
        Sign out
      </MenuItem>
    </Menu>
  );
}
