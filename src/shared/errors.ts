/**
 * All error codes of the API with their status and title (RFC 9457). The detail, which says what to
 * do next, is given where the error is thrown.
 */
export const errorCodes = {
  validation_failed: [422, "The request has invalid fields"],
  malformed_json: [400, "The body is not valid JSON"],
  bad_request: [400, "The request is malformed"],
  invalid_link: [400, "The link is invalid or expired"],
  authorization_pending: [400, "The request waits for an answer"],
  slow_down: [400, "The program asks too often"],
  access_denied: [400, "The request was denied"],
  expired_token: [400, "The request has expired"],
  system_role: [400, "System roles cannot be changed"],
  unauthenticated: [401, "Authentication required"],
  invalid_token: [401, "Invalid credential"],
  invalid_credentials: [401, "Wrong email address or password"],
  second_factor_required: [401, "A second factor is required"],
  challenge_expired: [401, "The sign-in has expired"],
  invalid_code: [401, "Wrong code"],
  passkey_rejected: [401, "The passkey was rejected"],
  insufficient_permission: [403, "Missing permission"],
  privilege_escalation: [403, "This would grant more permissions than you have"],
  cross_origin: [403, "Cross-origin request"],
  email_unverified: [403, "The email address is not confirmed"],
  ip_not_allowed: [403, "The key cannot be used from this address"],
  reauthentication_required: [403, "Confirm it's you"],
  run_token_starts_no_runs: [403, "Runs cannot start runs"],
  own_work: [403, "Approval of own work"],
  session_required: [403, "A session is required"],
  registration_closed: [403, "Registration is closed"],
  invitation_for_another: [403, "The invitation is for another email address"],
  not_found: [404, "Not found"],
  method_not_allowed: [405, "Method not allowed"],
  request_timeout: [408, "Request timeout"],
  second_factor_on: [409, "The second factor is already on"],
  second_factor_off: [409, "The second factor is off"],
  second_factor_unreadable: [409, "The second factor cannot be decrypted"],
  passkeys_unavailable: [409, "Passkeys do not work at this address"],
  passkey_exists: [409, "The passkey is already registered"],
  device_login_answered: [409, "The request was already answered"],
  last_sign_in_method: [409, "This is the last way to sign in"],
  email_taken: [409, "The email address is in use"],
  slug_taken: [409, "The slug is taken"],
  name_taken: [409, "The name is taken"],
  role_name_taken: [409, "The role name is taken"],
  runner_name_taken: [409, "The runner's name is taken"],
  cluster_online: [409, "The cluster is in use"],
  role_in_use: [409, "The role is in use"],
  already_member: [409, "Already a member"],
  already_invited: [409, "Already invited"],
  invitation_not_pending: [409, "The invitation is closed"],
  last_owner: [409, "An organization needs an owner"],
  last_node: [409, "The only server that takes new projects"],
  node_unavailable: [409, "The server is not available"],
  project_moving: [409, "The project is moving"],
  last_super_admin: [409, "An installation needs a super admin"],
  user_disabled: [409, "The user is disabled"],
  organization_archived: [409, "The organization is archived"],
  project_not_ready: [409, "The project is not ready"],
  no_upstream: [409, "The project has no upstream"],
  upstream_busy: [409, "The upstream is busy"],
  nothing_to_cancel: [409, "Nothing to cancel"],
  workspace_exists: [409, "The agent already has a workspace"],
  workspace_missing: [404, "The agent has no workspace"],
  workspace_expired: [410, "The archived workspace has expired"],
  workspace_not_archived: [409, "The workspace is not archived"],
  workspace_not_active: [409, "The workspace is not active"],
  workspace_remote: [409, "The workspace is remote"],
  workspace_busy: [409, "The workspace is busy"],
  repository_mismatch: [409, "Repository and database do not match"],
  unsaved_changes: [409, "The workspace has unsaved changes"],
  merge_conflict: [409, "The merge has conflicts"],
  branch_protected: [409, "The branch is protected"],
  merge_request_open: [409, "A merge request is open"],
  merge_request_ended: [409, "The merge request has ended"],
  check_in_use: [409, "The check is in use"],
  too_many_checks: [409, "Too many checks"],
  no_setup_script: [409, "The environment has no setup script"],
  too_many_secrets: [409, "Too many secrets"],
  service_account_inactive: [409, "The service account is deactivated"],
  service_account_member: [409, "The member is a service account"],
  too_many_webhooks: [409, "Too many webhooks"],
  webhook_disabled: [409, "The webhook is disabled"],
  provider_in_use: [409, "The provider has a secret"],
  already_reverted: [409, "The merge is already reverted"],
  merge_gone: [409, "The branch no longer contains the merge"],
  base_branch_gone: [409, "The base branch no longer exists"],
  sync_not_revertible: [409, "A sync cannot be reverted"],
  quota_exceeded: [409, "Quota exceeded"],
  run_in_progress: [409, "The agent is already running"],
  kubernetes_unavailable: [422, "No cluster is available"],
  docker_unavailable: [422, "Docker is not available"],
  sandbox_unavailable: [409, "Sandboxing is not available"],
  network_not_isolated: [409, "Network isolation is not available"],
  queue_full: [409, "The queue is full"],
  session_closed: [409, "The session is closed"],
  too_many_prompts: [409, "Too many prompts wait"],
  permission_answered: [409, "The request was answered"],
  run_managed: [409, "The run is managed"],
  run_ended: [409, "The run has ended"],
  run_not_offered: [409, "The run is not offered to the runner"],
  log_gap: [409, "The log has a gap"],
  agent_running: [409, "The agent is running"],
  agent_terminated: [409, "The agent is terminated"],
  key_not_active: [409, "The key is not active"],
  idempotency_in_flight: [409, "A request with this Idempotency-Key is in progress"],
  idempotency_mismatch: [422, "The Idempotency-Key was used with another body"],
  stale: [412, "The resource has changed"],
  body_too_large: [413, "The body is too large"],
  unsupported_media_type: [415, "The content type is not supported"],
  slug_reserved: [422, "The slug is reserved"],
  nested_repository: [422, "The workspace contains another repository"],
  file_too_large: [422, "A file is too large"],
  tree_too_large: [422, "The commit is too large"],
  unsafe_path: [422, "git rejects a path"],
  leaked_key: [422, "A file contains an active API key"],
  rate_limited: [429, "Too many requests"],
  internal: [500, "Internal server error"],
  folder_unavailable: [503, "The workspace's folder is not available"],
  home_unavailable: [503, "The project's server is not available"],
  log_unavailable: [503, "The log is not available"],
  no_space: [507, "The disk is full"],
  unavailable: [503, "Temporarily unavailable"],
  outcome_unknown: [503, "The change may have been made"],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ErrorCode = keyof typeof errorCodes;

/** An invalid field: its location, a message, and the rule's name. */
export interface FieldError {
  loc: (string | number)[];
  msg: string;
  type: string;
}

/**
 * `application/problem+json` as returned by the API (RFC 9457). Some codes have additional members.
 */
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
