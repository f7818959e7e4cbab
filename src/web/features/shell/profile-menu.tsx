import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { useAction } from "../../action.js";
import { ApiError, client } from "../../api.js";
import { paths } from "../../paths.js";
import { Menu, MenuHeading, MenuItem, MenuLine } from "../../ui/menu.js";
import { PlainText, visible } from "../../ui/plain-text.js";
import { meQuery } from "../auth/queries.js";

export function ProfileMenu(): ReactElement | null {
  const { data: me } = useQuery(meQuery);
  const navigate = useNavigate();
  const queries = useQueryClient();

  const signOut = useAction({
    run: async () => {
      try {
        return await client.auth.logout();
      } catch (error) {
        // Already signed out elsewhere: what was asked for is so.
        if (error instanceof ApiError && error.status === 401) return { data: undefined, status: 204 };
        throw error;
      }
    },
    onDone: () => {
      queries.clear();
      void navigate(paths.login());
    },
    toastErrors: true,
  });

  if (me === undefined) return null;
  const name = me.full_name ?? me.email;
  return (
    <Menu
      label="Profile"
      align="end"
      trigger={
        <button
          type="button"
          aria-label={`Profile of ${visible(name)}`}
          className="grid size-8 shrink-0 place-items-center rounded-full bg-sunken text-[13px] font-semibold text-ink uppercase ring-1 ring-line ring-inset hover:bg-line"
        >
          <span aria-hidden="true">{[...visible(name)][0]}</span>
        </button>
      }
    >
      <MenuHeading>
        <span className="block font-medium text-ink">
          <PlainText value={name} />
        </span>
        {me.full_name !== null && <PlainText value={me.email} />}
      </MenuHeading>
      <MenuLine />
      <MenuItem icon="key" onSelect={() => void navigate(paths.apiKeys())}>
        API Keys
      </MenuItem>
      <MenuItem icon="signOut" onSelect={() => signOut.submit(undefined)}>
        Sign out
      </MenuItem>
    </Menu>
  );
}
