import type { Command } from "commander";
import type { AdminUser, AdminUserDetail } from "#shared/api/operation/admin.js";
import * as people from "#server/features/identity/people/index.js";
import { print, shownTime, table } from "./output.js";
import { inInstallation, type AdminOptions } from "./open-installation.js";

/** Adds `omoi admin users` and `omoi admin user …`. */
export function addUserCommands(admin: Command): void {
  admin
    .command("users")
    .description("List users, newest first")
    .argument("[SEARCH]", "part of the email address or name")
    .option("--disabled", "only disabled users")
    .option("--super-admins", "only super admins")
    .option("--json", "print JSON")
    .action(listUsers);

  const user = admin
    .command("user")
    .description("Show and manage one user")
    .addHelpText(
      "after",
      `
Examples:
  omoi admin user show ann@example.com
  omoi admin user reset-password ann@example.com   # prints a single-use link
  omoi admin user disable ann@example.com          # ends sessions and suspends keys
  omoi admin user delete ann@example.com --anonymize`,
    );
  command(user, "show", "Show a user with their organizations").action(
    (email: string, options: AdminOptions) =>
      inInstallation(async ({ db }) =>
        show(options, await people.readUser(db, { email }), () => ""),
      ),
  );
  addChange(user, "disable", "Disable a user: ends sessions, suspends API keys", {
    work: people.disableUser,
    done: "is disabled; sessions have ended and API keys are suspended.",
  });
  addChange(user, "enable", "Enable a disabled user", {
    work: people.enableUser,
    done: "is enabled; API keys work again.",
  });
  addChange(
    user,
    "remove-second-factor",
    "Remove a user's authenticator app, recovery codes and passkeys",
    {
      work: people.removeSecondFactor,
      done: "no longer has a second factor.",
    },
  );
  addChange(user, "sign-out", "End all sessions", {
    work: people.signOutUser,
    done: "is signed out everywhere.",
  });
  addChange(user, "promote", "Make a user a super admin", {
    work: people.promoteUser,
    done: "is a super admin.",
  });
  addChange(user, "demote", "Remove super admin rights from a user", {
    work: people.demoteUser,
    done: "is no longer a super admin.",
  });
  command(user, "reset-password", "Print a single-use password reset link").action(
    (email: string, { json }: AdminOptions) =>
      withContext(async (context) => {
        const link = await people.resetUserPassword(context, { email });
        print(
          json,
          link,
          () => `Send this link to ${email}; it works once, until ${shownTime(link.expires_at)}:
${link.reset_url}`,
        );
      }),
  );
  command(user, "export", "Print all data about a user as JSON").action((email: string) =>
    withContext(async (context) =>
      print(true, await people.exportUser(context, { email }), () => ""),
    ),
  );
  command(user, "delete", "Delete a user for good")
    .requiredOption(
      "--anonymize",
      'replace the user by "Deleted user" in audit logs and statements; required',
    )
    .action((email: string, { json }: AdminOptions) =>
      withContext(async (context) => {
        await people.deleteUser(context, { email });
        print(
          json,
          { deleted: email },
          () => `${email} is deleted; audit logs and statements show "Deleted user".`,
        );
      }),
    );
}

function command(parent: Command, name: string, summary: string): Command {
  return parent
    .command(name)
    .description(summary)
    .argument("<EMAIL>", "the user's email address")
    .option("--json", "print JSON");
}

function addChange(
  parent: Command,
  name: string,
  summary: string,
  {
    work,
    done,
  }: {
    work: (context: people.AdminContext, by: people.UserReference) => Promise<AdminUserDetail>;
    done: string;
  },
): void {
  command(parent, name, summary).action((email: string, options: AdminOptions) =>
    withContext(async (context) =>
      show(options, await work(context, { email }), () => `${email} ${done}\n\n`),
    ),
  );
}

function withContext(work: (context: people.AdminContext) => Promise<void>): Promise<void> {
  return inInstallation(async (installation) => work(await installation.adminContext()));
}

async function listUsers(
  search: string | undefined,
  { json, disabled, superAdmins }: AdminOptions & { disabled?: boolean; superAdmins?: boolean },
): Promise<void> {
  const filter = {
    search,
    ...(disabled === true ? { is_active: false } : {}),
    ...(superAdmins === true ? { is_super_admin: true } : {}),
  };
  await inInstallation(async ({ db }) => {
    const users: AdminUser[] = [];
    for (;;) {
      const page = await people.listUsers(db, filter, users.at(-1)?.id ?? null, 200);
      users.push(...page);
      if (page.length < 200) break;
    }
    const rows = users.map((user) => [
      user.email,
      user.full_name ?? "",
      stateOf(user),
      String(user.organizations),
      shownTime(user.last_login_at),
    ]);
    const header = ["EMAIL", "NAME", "STATE", "ORGANIZATIONS", "LAST SIGN-IN"];
    print(json, users, () => (rows.length === 0 ? "No users found." : table(header, rows)));
  });
}

function show({ json }: AdminOptions, user: AdminUserDetail, heading: () => string): void {
  print(json, user, () => {
    const facts = [
      ["Email", `${user.email}${user.is_verified ? "" : " (not confirmed)"}`],
      ["Name", user.full_name ?? ""],
      ["State", stateOf(user)],
      ["Second factor", user.has_second_factor ? "on" : "off"],
      ["Sessions", String(user.sessions)],
      ["API keys", String(user.api_keys)],
      ["Created", shownTime(user.created_at)],
      ["Last sign-in", shownTime(user.last_login_at)],
      ["Id", user.id],
    ];
    const memberships = user.memberships.map((membership) => [
      membership.organization_slug,
      `${membership.role_name}${membership.is_last_owner ? " (the last one)" : ""}`,
    ]);
    const organizations =
      memberships.length === 0
        ? "Not a member of any organization."
        : table(["ORGANIZATION", "ROLE"], memberships);
    const lines = facts.map(([name = "", value = ""]) => `${name.padEnd(14)} ${value}`.trimEnd());
    return `${heading()}${lines.join("\n")}\n\n${organizations}`;
  });
}

function stateOf({ is_active, is_super_admin }: AdminUser): string {
  return `${is_active ? "active" : "disabled"}${is_super_admin ? ", super admin" : ""}`;
}
