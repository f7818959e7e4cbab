/**
 * Every error the API answers with: its status and its title (RFC 9457). The sentence that says what
 * to do next is given where the error is raised.
 */
export const errorCodes = {
  validation_failed: [422, "The request has invalid fields"],
  malformed_json: [400, "The body is not valid JSON"],
  bad_request: [400, "The request is malformed"],
  invalid_link: [400, "The link does not work any more"],
  system_role: [400, "System roles are fixed"],
  unauthenticated: [401, "Sign in, or send a valid credential"],
  invalid_token: [401, "The credential is not valid"],
  invalid_credentials: [401, "Wrong e-mail address or password"],
  second_factor_required: [401, "A second factor is needed"],
  challenge_expired: [401, "The sign-in took too long"],
  invalid_code: [401, "The code is not right"],
  passkey_rejected: [401, "The passkey was not accepted"],
  insufficient_permission: [403, "This needs a permission you do not have"],
  privilege_escalation: [403, "This would grant more than you hold"],
  cross_origin: [403, "The request came from another site"],
  email_unverified: [403, "The e-mail address is not confirmed"],
  ip_not_allowed: [403, "The key may not be used from this address"],
  reauthentication_required: [403, "Show again that it is you"],
  run_token_starts_no_runs: [403, "A run does not start runs"],
  session_required: [403, "This needs a session"],
  registration_closed: [403, "Registration is closed"],
  invitation_for_another: [403, "The invitation is for another address"],
  not_found: [404, "Not found"],
  method_not_allowed: [405, "The address takes other methods"],
  request_timeout: [408, "The request took too long to arrive"],
  second_factor_on: [409, "The second factor is on already"],
  second_factor_off: [409, "The second factor is off"],
  second_factor_unreadable: [409, "The second factor cannot be read"],
  passkeys_unavailable: [409, "Passkeys do not work at this address"],
  passkey_exists: [409, "The passkey is registered already"],
  last_sign_in_method: [409, "The last way to sign in"],
  email_taken: [409, "The e-mail address is in use"],
  slug_taken: [409, "The slug is taken"],
  name_taken: [409, "The name is taken"],
  role_name_taken: [409, "The role's name is taken"],
  role_in_use: [409, "The role is in use"],
  already_member: [409, "Already a member"],
  already_invited: [409, "Already invited"],
  invitation_not_pending: [409, "The invitation is no longer open"],
  last_owner: [409, "An organization always has an owner"],
  last_super_admin: [409, "An installation always has a super admin"],
  user_disabled: [409, "The user is disabled"],
  organization_archived: [409, "The organization is archived"],
  project_not_ready: [409, "The project is not ready"],
  no_upstream: [409, "The project has no upstream"],
  upstream_busy: [409, "The upstream is being used"],
  nothing_to_cancel: [409, "Nothing is under way that could be cancelled"],
  workspace_exists: [409, "The agent already has a workspace"],
  workspace_missing: [404, "The agent has no workspace"],
  workspace_expired: [410, "The archived workspace is gone"],
  workspace_not_archived: [409, "The workspace is not archived"],
  workspace_not_active: [409, "The workspace is not active"],
  workspace_remote: [409, "The workspace is remote"],
  workspace_busy: [409, "The workspace is busy"],
  repository_mismatch: [409, "Repository and database do not belong together"],
  unsaved_changes: [409, "The workspace has unsaved changes"],
  merge_conflict: [409, "The merge has conflicts"],
  already_reverted: [409, "The merge is reverted"],
  merge_gone: [409, "The branch does not hold the merge any more"],
  base_branch_gone: [409, "The base branch is gone"],
  sync_not_revertible: [409, "A sync cannot be reverted"],
  quota_exceeded: [409, "A limit of the organization is reached"],
  run_in_progress: [409, "The agent is already running"],
  docker_unavailable: [422, "Docker workspaces cannot be run here"],
  sandbox_unavailable: [409, "Commands cannot be run in isolation here"],
  network_not_isolated: [409, "The command cannot have a network of its own here"],
  queue_full: [409, "The queue is full"],
  run_managed: [409, "The run is managed"],
  run_ended: [409, "The run has ended"],
  agent_running: [409, "The agent is running"],
  agent_terminated: [409, "The agent is terminated"],
  key_not_active: [409, "The key is not active"],
  idempotency_in_flight: [409, "The same request is being handled"],
  idempotency_mismatch: [422, "The Idempotency-Key was used with another body"],
  stale: [412, "It changed since you read it"],
  body_too_large: [413, "The body is too large"],
  unsupported_media_type: [415, "The content type is not supported"],
  slug_reserved: [422, "The slug is reserved"],
  nested_repository: [422, "A repository inside the workspace"],
  file_too_large: [422, "A file is too large"],
  tree_too_large: [422, "A commit would be too large"],
  unsafe_path: [422, "A path that git refuses"],
  leaked_key: [422, "A file holds an API key that works"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Something went wrong here"],
  folder_unavailable: [503, "The workspace's folder is not available"],
  no_space: [507, "The disk is full"],
  unavailable: [503, "Not available right now"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ErrorCode = keyof typeof errorCodes;

/** One invalid field: where it is, what is wrong with it, and the rule's name. */
export interface FieldError {
  loc: (string | number)[];
  msg: string;
  type: string;
}

/** `application/problem+json` as the API answers it (RFC 9457). Some codes add members of their own. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: ErrorCode;
  request_id: string;
  errors?: FieldError[];
  missing_permissions?: string[];
  suggestion?: string;
  [member: string]: unknown;
}
