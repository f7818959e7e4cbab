import type { api } from "../../api/index.js";

interface Tag {
  title: string;
  description: string;
}

/** The groups of calls in the OpenAPI document. A missing one is a compile error. */
export const tags: Readonly<Record<keyof typeof api, Tag>> = {
  auth: {
    title: "Accounts and sessions",
    description:
      "Registering, signing in and out, the profile, and emailed links. A sign-in returns an access token for `Authorization: Bearer` and sets the session cookie of the web app.",
  },
  secondFactor: {
    title: "Second factor",
    description:
      "Authenticator apps (RFC 6238) and recovery codes. Changes need a signed-in session, not an API key.",
  },
  passkeys: {
    title: "Passkeys",
    description: "Registering and using passkeys (WebAuthn). They count as both factors.",
  },
  oidc: {
    title: "Identity provider",
    description:
      "Signing in through the installation's OpenID Connect provider, and the identities linked to an account.",
  },
  deviceLogin: {
    title: "Device login",
    description:
      "Signing in a program by a code that a person approves in a browser (RFC 8628, with JSON). The program gets an API key of that person.",
  },
  notifications: {
    title: "Notifications",
    description:
      "What needs you, by email and to a webhook of your own: which kinds of events, of which organizations, and a log of what was sent.",
  },
  serviceAccounts: {
    title: "Service accounts",
    description:
      "Members of one organization that are neither people nor agents. They act by API keys that outlive the people who made them.",
  },
  webhooks: {
    title: "Webhooks",
    description:
      "Events of an organization, sent to an address by Standard Webhooks: signed, at least once, in order for each subject, with a log of their deliveries.",
  },
  organizations: {
    title: "Organizations",
    description:
      "An organization owns projects, agents, roles and limits. `org_id` in a path is its id or its slug.",
  },
  members: {
    title: "Members",
    description: "The users and agents of an organization, each with one role.",
  },
  invitations: {
    title: "Invitations",
    description: "Links by which users join an organization with a given role.",
  },
  roles: {
    title: "Roles and permissions",
    description:
      "A role is a list of patterns of permissions and may extend another role. Five system roles are the same in every organization.",
  },
  projects: {
    title: "Projects",
    description:
      "A project is a git repository of an organization, created empty or imported. It is cloned and pushed at its `clone_url`.",
  },
  upstreams: {
    title: "Upstreams",
    description: "The repository that a project was imported from: fetching, pushing, credentials.",
  },
  environments: {
    title: "Environments",
    description:
      "The setup script of a project, which installs what its runs need once for all workspaces.",
  },
  forges: {
    title: "Forges",
    description:
      "Connections to GitHub, GitLab, Gitea and Forgejo. A project that is linked to a repository fetches and pushes by its connection; no run sees the credential.",
  },
  forgeDeliveries: {
    title: "Deliveries of forges",
    description:
      "What came from a forge, and what was done. Forges send events to `POST /hooks/forges/{forge_id}`, signed as GitHub, GitLab or Gitea do, at most 25 MiB; the server asks the forge for the state of what an event names.",
  },
  githubApps: {
    title: "GitHub Apps",
    description: "A GitHub App that a person makes and installs from the browser.",
  },
  forgePeople: {
    title: "People on forges",
    description:
      "Which member a login of a forge belongs to. Members link their own accounts, or an admin says it.",
  },
  pullRequests: {
    title: "Pull requests",
    description:
      "The work of tasks, proposed on a forge. Their state is the forge's, which is asked every 30 s while they are open.",
  },
  tasks: {
    title: "Tasks",
    description:
      "What people want done. A task has one or more attempts, each an agent with a workspace and a conversation; its status is derived from them.",
  },
  automations: {
    title: "Automations",
    description:
      "What starts work without a person: schedules, events of forges and of Omoi, and requests to an address. A firing is decided once, within limits, with the permissions that its account has then.",
  },
  reviews: {
    title: "Reviews",
    description:
      "What a person thinks of the changes of a task. A request for changes becomes the agent's next prompt; an approval counts for the change that was read.",
  },
  threads: {
    title: "Threads",
    description:
      "Conversations at lines and files of a change. A thread follows its lines through later commits, or is outdated.",
  },
  opinions: {
    title: "Second opinions",
    description:
      "Reviews by agents. Each reads the change in a read-only workspace of its own, comments as itself, and approves nothing. A protected branch can require them.",
  },
  agents: {
    title: "Agents",
    description:
      "An agent works on one project in a workspace of its own. It is a member of the organization.",
  },
  runs: {
    title: "Runs",
    description:
      "A run is one execution of an agent's command: in a sandbox on the server, or elsewhere with a lease that heartbeats extend.",
  },
  agentSessions: {
    title: "Agent sessions",
    description:
      "Conversations with an agent over the Agent Client Protocol, with streamed events, prompts and requests for permissions.",
  },
  sandbox: {
    title: "Sandbox",
    description: "The isolation and the limits that this installation enforces on commands.",
  },
  presets: {
    title: "Presets",
    description: "Programs that a run or a session can start with a prompt.",
  },
  usage: {
    title: "Usage and statements",
    description:
      "Hours of runs, models and disks by agent, project and day, also as CSV. Months are calendar months in UTC.",
  },
  workspaces: {
    title: "Workspaces, commits and merges",
    description:
      "A workspace is an isolated folder and branch of one agent. Its work is committed, merged into a branch, and undone by further commits.",
  },
  mergeQueue: {
    title: "Merge queue",
    description:
      "Merges into protected branches: checks that run on the exact commit that would land, and approvals.",
  },
  protectionChanges: {
    title: "Changes of protection",
    description:
      "Changes that weaken a rule with approvals wait for as many approvals as the rule asks for.",
  },
  previews: {
    title: "Previews",
    description: "The result of a merge, a sync or an undo, computed without changing anything.",
  },
  radar: {
    title: "Conflict radar",
    description: "Conflicts that open workspaces would have with each other if they merged now.",
  },
  overview: {
    title: "Attention and work",
    description: "The items that wait for the caller, the work of all agents, and recent results.",
  },
  graph: {
    title: "Commit graph",
    description: "The branches and commits of a project as a graph.",
  },
  organizationSecrets: {
    title: "Secrets of organizations",
    description:
      "Variables and model keys for all projects of an organization. Values are stored encrypted and never answered.",
  },
  projectSecrets: {
    title: "Secrets of projects",
    description:
      "Variables and model keys of one project, which win over those of its organization.",
  },
  apiKeys: {
    title: "API keys",
    description:
      "Keys act for a user or an agent, within their scopes. The key itself is in one response only.",
  },
  audit: {
    title: "Audit log",
    description:
      "A log of all changes in an organization. Each event contains the hash of the event before.",
  },
  admin: {
    title: "Administration",
    description: "Accounts and usage of the whole installation. For super admins; 404 for others.",
  },
  maintenance: {
    title: "Maintenance",
    description:
      "While an installation is in maintenance, data can be read, and writes are 503. Super admins begin and end it.",
  },
  nodes: {
    title: "Servers",
    description:
      "The servers that share the database, each with a data folder of its own. For super admins; 404 for others.",
  },
  runners: {
    title: "Runners",
    description:
      "Machines that execute runs of `remote` workspaces, and the Kubernetes cluster, whose Jobs execute runs of `kubernetes` workspaces. Super admins register machines; members see the runners of their organization.",
  },
  projectMoves: {
    title: "Moves of projects",
    description: "Moves of projects from one server to another. For super admins; 404 for others.",
  },
  doctor: {
    title: "Doctor",
    description:
      "Checks of the installation, which `omoi doctor` shows. For super admins; 404 for others.",
  },
  events: {
    title: "Events",
    description: "A stream of the changes in an organization, as Server-Sent Events.",
  },
};
