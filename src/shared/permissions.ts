/** The registry of permissions with their descriptions for users. */
export const permissions = {
  "org:read": "See the organization, its roles and its usage",
  "org:write": "Change the organization's name, description and settings",
  "org:limits:write": "Change the organization's limits",
  "org:members:read": "See members and invitations",
  "org:members:write": "Add and invite members and change their roles",
  "org:members:delete": "Remove members",
  "org:roles:read": "See the roles' details",
  "org:roles:write": "Create, change and delete custom roles",
  "org:billing:read": "See billing details and statements",
  "org:billing:write": "Change billing details",
  "org:audit:read": "Read the audit log",
  "org:apikeys:read": "See the API keys that can act in the organization",
  "org:apikeys:revoke": "Revoke API keys that can act in the organization",
  "org:secrets:read": "See the names of secrets",
  "org:secrets:write": "Set and delete secrets",
  "org:webhooks:read": "See webhooks and their deliveries",
  "org:webhooks:write": "Create, change and delete webhooks",
  "org:forges:read": "See connections to forges, and the repositories they reach",
  "org:forges:write": "Connect forges, and change and delete connections",
  "org:service-accounts:read": "See service accounts and their keys",
  "org:service-accounts:write": "Create, change and delete service accounts and their keys",
  "org:archive": "Archive and restore the organization",
  "org:transfer": "Hand the organization to another owner",
  "project:read": "See projects",
  "project:write": "Create, import and change projects",
  "project:delete": "Delete projects",
  "project:protection:write": "Change protected branches and checks",
  "project:task:read": "See tasks, attempts and what they need",
  "project:task:write": "Create tasks, and direct the work on them",
  "project:automation:read": "See automations and their firings",
  "project:automation:write": "Create, change, fire and delete automations",
  "project:approve": "Approve changes that count for protected branches",
  "project:git:read": "Clone and fetch with git",
  "project:git:write": "Push with git",
  "agent:read": "See agents and their runs",
  "agent:write": "Create and change agents",
  "agent:delete": "Terminate agents",
  "agent:run": "Start and stop runs",
  "agent:network:full": "Give runs and checks the whole network",
  "agent:workspace:read": "See workspaces, commits and merges",
  "agent:workspace:write": "Create workspaces and commit in them",
  "agent:workspace:merge": "Merge workspaces",
} as const satisfies Record<string, string>;

export type Permission = keyof typeof permissions;
export const permissionNames = Object.keys(permissions) as Permission[];

/** Permissions that only `*:*` or their full name covers, and no other wildcard. */
const onlyByName: ReadonlySet<string> = new Set([
  "org:archive",
  "org:transfer",
  "agent:network:full",
]);

/** Any of these lets a person approve. `agent:workspace:merge` does so in 0.3 alone. */
export const approvingPermissions = ["project:approve", "agent:workspace:merge"] as const;

/** A kind of caller, named as in `Actor.kind`. */
export type HolderKind = "user" | "service_account" | "agent";

/** Permissions of people alone: a program must not change the rules that its work is judged by. */
const forPeopleOnly: readonly Permission[] = ["project:protection:write"];

/** Permissions that no holder of a kind has, whatever the role and, for an agent, its creator's. */
const withheld: Readonly<Record<HolderKind, readonly Permission[]>> = {
  user: [],
  service_account: forPeopleOnly,
  agent: [
    ...forPeopleOnly,
    "project:approve",
    "org:secrets:read",
    "org:secrets:write",
    // A webhook would be a way out of the sandbox's network.
    "org:webhooks:read",
    "org:webhooks:write",
    // The credential of a connection reaches every repository of the organization.
    "org:forges:read",
    "org:forges:write",
    // An automation would act for the agent after its run.
    "project:automation:write",
    // A key of a service account would outlive the run.
    "org:service-accounts:read",
    "org:service-accounts:write",
  ],
};

export const systemRoles = {
  owner: { description: "Full access, including archiving and transfer", permissions: ["*:*"] },
  admin: {
    description: "Full access to all resources",
    permissions: ["org:*", "project:*", "agent:*", "agent:network:full"],
  },
  member: {
    description: "Works on projects and with agents",
    permissions: [
      "org:read",
      "org:members:read",
      "project:read",
      "project:write",
      "project:task:*",
      "project:automation:*",
      "project:approve",
      "project:git:*",
      "agent:*",
    ],
  },
  viewer: {
    description: "Reads everything, changes nothing",
    permissions: [
      "org:read",
      "org:members:read",
      "project:read",
      "project:task:read",
      "project:automation:read",
      "project:git:read",
      "agent:read",
      "agent:workspace:read",
    ],
  },
  agent_executor: {
    description: "An agent: its own runs and workspace",
    permissions: [
      "project:read",
      "project:task:read",
      "project:git:*",
      "agent:read",
      "agent:run",
      "agent:workspace:*",
    ],
  },
} as const satisfies Record<string, { description: string; permissions: readonly string[] }>;

export type SystemRole = keyof typeof systemRoles;

/**
 * Tells whether a pattern covers a permission: `a:*` covers `a:b` and `a:b:c`, `*:*` covers all,
 * any other pattern only itself. Compares whole parts, case-sensitively; `*` is special only as the
 * last part.
 */
export function matches(pattern: string, permission: string): boolean {
  if (pattern === "*:*" || pattern === permission) return true;
  if (!pattern.endsWith(":*") || onlyByName.has(permission)) return false;
  return permission.startsWith(pattern.slice(0, -1)) && pattern.length > 2;
}

/** Tells whether a pattern is `*:*`, a registered permission, or a wildcard that covers one. */
export function isKnownPattern(pattern: string): boolean {
  return pattern === "*:*" || permissionNames.some((name) => matches(pattern, name));
}

/** Returns every pattern that covers a permission: the full name, its wildcards and `*:*`. */
export function patternsCovering(permission: Permission): string[] {
  const parts = permission.split(":");
  const wildcards = parts
    .slice(1)
    .map((_part, index) => `${parts.slice(0, index + 1).join(":")}:*`);
  return ["*:*", permission, ...wildcards].filter((pattern) => matches(pattern, permission));
}

/** Returns patterns that cover the same permissions, except those that are withheld from the kind. */
export function patternsFor(kind: HolderKind, patterns: readonly string[]): string[] {
  const isAllowed = (pattern: string): boolean =>
    !withheld[kind].some((permission) => matches(pattern, permission));
  return [
    ...new Set(
      patterns.flatMap((pattern) =>
        isAllowed(pattern)
          ? [pattern]
          : expand([pattern]).flatMap((permission) => {
              const [, , ...wildcards] = patternsCovering(permission);
              return [...wildcards, permission].find(isAllowed) ?? [];
            }),
      ),
    ),
  ];
}

/** Tells whether no holder of the kind can have the permission. */
export function isWithheldFrom(kind: HolderKind, permission: Permission): boolean {
  return withheld[kind].includes(permission);
}

/** Tells whether any of the patterns covers the permission. */
export function grants(patterns: readonly string[], permission: string): boolean {
  return patterns.some((pattern) => matches(pattern, permission));
}

/** Returns the registered permissions that the patterns cover, in registry order. */
export function expand(patterns: readonly string[]): Permission[] {
  return permissionNames.filter((permission) => grants(patterns, permission));
}

/** Returns the registered permissions in `wanted` but not in `held`; empty means no escalation. */
export function excessPermissions(
  wanted: readonly string[],
  held: readonly string[],
): Permission[] {
  return expand(wanted).filter((permission) => !grants(held, permission));
}
