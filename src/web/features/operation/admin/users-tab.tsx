import { Link } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { adminUserSearchOf } from "../../../paths/address-search.js";
import { useFilters } from "../../../lists/list-search.js";
import { paths } from "../../../paths/paths.js";
import { type AdminUserSearch, adminUserStates } from "../../../api/queries/operation/admin.js";
import { useTypedSearch } from "../../../lists/typed-search.js";
import { formatNumber } from "../../../ui/text/number.js";
import { PlainText } from "../../../ui/text/plain-text.js";
import { SearchField } from "../../../ui/fields/search-field.js";
import { Select } from "../../../ui/fields/select.js";
import { RelativeTime } from "../../../ui/text/time.js";
import { CursorTable } from "./cursor-table.js";
import { userList } from "../../../api/queries/operation/admin.js";
import { UserState } from "./user-state.js";

const stateNames: Record<(typeof adminUserStates)[number], string> = {
  disabled: "Disabled users",
  super_admins: "Super admins",
};

/** All users of the installation; each links to the user's page. */
export function UsersTab(): ReactElement {
  const [filters, change] = useFilters<AdminUserSearch>(adminUserSearchOf);
  const [text, setText] = useTypedSearch(filters.search ?? "", (search) =>
    change({ search: search.trim() || undefined }),
  );
  return (
    <div className="flex flex-col gap-4">
      <div className="flex flex-wrap items-center gap-3">
        <SearchField
          label="Search users"
          placeholder="Name or email"
          value={text}
          onChange={setText}
          hasShortcut
        />
        <Select
          aria-label="State"
          value={filters.state ?? ""}
          onChange={(value) =>
            change({ state: adminUserStates.find((state) => state === value) ?? undefined })
          }
          options={[
            { value: "", label: "All users" },
            ...adminUserStates.map((value) => ({ value, label: stateNames[value] })),
          ]}
        />
      </div>
      <CursorTable
        label="users"
        list={userList(filters)}
        empty="No user found."
        rowKey={({ id }) => id}
        columns={[
          {
            name: "User",
            renderCell: (user) => (
              <>
                <Link
                  {...paths.adminUser(user.id)}
                  className="font-medium text-accent-ink hover:underline"
                >
                  <PlainText value={user.full_name ?? user.email} />
                </Link>
                {user.full_name !== null && (
                  <span className="block text-[13px] [overflow-wrap:anywhere] text-muted">
                    <PlainText value={user.email} />
                  </span>
                )}
              </>
            ),
          },
          { name: "State", renderCell: (user) => <UserState user={user} /> },
          {
            name: "Organizations",
            isNumber: true,
            renderCell: ({ organizations }) => formatNumber(organizations),
          },
          {
            name: "Last sign-in",
            renderCell: ({ last_login_at }) =>
              last_login_at === null ? "Never" : <RelativeTime value={last_login_at} />,
          },
        ]}
      />
    </div>
  );
}
