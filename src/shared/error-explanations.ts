import type { ErrorCode } from "./errors.js";

interface Explanation {
  /** When the error occurs. */
  meaning: string;
  /** How to go on. */
  remedy: string;
}

/**
 * Explains each error code on the page `/api/docs/errors` and in docs/reference/errors.md. Beside
 * `errors.ts`, because browsers need the codes but not these texts.
 */
export const errorExplanations: Readonly<Record<ErrorCode, Explanation>> = {
  validation_failed: {
    meaning:
      "A field of the query or the body is missing, unknown or out of its limits, or names something that does not exist.",
    remedy:
      "Correct the fields that `errors` lists; `loc` is the place and `msg` says what to enter.",
  },
  malformed_json: {
    meaning: "The body is not JSON, or contains `__proto__`.",
    remedy: "Send one JSON object, encoded in UTF-8.",
  },
  bad_request: {
    meaning:
      "The request cannot be understood: a malformed address or header, or a body for a call that takes none.",
    remedy: "Do what `detail` says; repeating the request as it is does not help.",
  },
  invalid_link: {
    meaning: "The token of an emailed link was used, has expired, or was replaced by a newer one.",
    remedy: "Request a new link.",
  },
  link_of_another_account: {
    meaning:
      "A link that confirms an email address was opened in a session of another account, without an answer whether its account stays open to those who can sign in.",
    remedy: "Send `keep_access`, or open the link in a session of its account.",
  },
  authorization_pending: {
    meaning: "The person has not answered the sign-in of the program yet.",
    remedy: "Ask again after the `interval` of the device login.",
  },
  slow_down: {
    meaning: "The program asks for the result of its sign-in more often than agreed.",
    remedy: "Wait for the seconds in `detail` before you ask again.",
  },
  access_denied: {
    meaning: "The person has refused the sign-in of the program.",
    remedy: "Start a new device login if it should be allowed after all.",
  },
  expired_token: {
    meaning: "The device login was not approved in time, or its code is unknown or used.",
    remedy: "Start a new device login.",
  },
  device_login_answered: {
    meaning: "The sign-in of the program was approved or refused before.",
    remedy: "Start a new device login in the program.",
  },
  service_account_inactive: {
    meaning: "The service account is deactivated, so that it gets no new keys.",
    remedy: "Reactivate it first.",
  },
  service_account_member: {
    meaning: "The membership of a service account ends with the account alone.",
    remedy: "Delete or deactivate the service account.",
  },
  too_many_webhooks: {
    meaning: "The organization has as many webhooks as allowed.",
    remedy: "Delete one first.",
  },
  webhook_disabled: {
    meaning: "The webhook is disabled, by a member or after days of failed deliveries.",
    remedy: "Enable the webhook first.",
  },
  system_role: {
    meaning: "System roles are the same in every organization and cannot be changed or deleted.",
    remedy: "Create a role of your own; it may extend a system role with `inherits_from`.",
  },
  unauthenticated: {
    meaning: "The call needs a credential, and the request has none.",
    remedy: "Send an access token or an API key as `Authorization: Bearer`, or sign in.",
  },
  invalid_token: {
    meaning:
      "The credential is unknown, malformed, expired or revoked. The answer does not say which.",
    remedy: "Refresh the access token, sign in again, or use another API key.",
  },
  wrong_signature: {
    meaning: "The signature of an event of a forge is missing, or does not belong to its body.",
    remedy: "Enter the secret of the connection at the hook of the forge, and send JSON.",
  },
  invalid_credentials: {
    meaning: "The email address or the password is wrong, or the account may not sign in.",
    remedy: "Check both. After ten failures, wait for 15 minutes or reset the password.",
  },
  second_factor_required: {
    meaning: "The password is right, but the account has a second factor.",
    remedy:
      "Send a code with the `challenge` of this error to `POST /api/v1/auth/login/second-factor`.",
  },
  challenge_expired: {
    meaning: "The sign-in has taken longer than its challenge is valid.",
    remedy: "Start the sign-in again.",
  },
  invalid_code: {
    meaning: "The code is wrong, or was used before.",
    remedy: "Wait for the next code of the app, or use a recovery code.",
  },
  passkey_rejected: {
    meaning: "The passkey is not registered, or its signature is not valid.",
    remedy: "Use another passkey or another way to sign in.",
  },
  insufficient_permission: {
    meaning:
      "You can see the resource, but your role or the scopes of your key do not allow the call.",
    remedy: "Ask for the permissions in `missing_permissions`, or use a key with wider scopes.",
  },
  privilege_escalation: {
    meaning: "The change would grant more permissions than you have yourself.",
    remedy: "Grant less, or let a member with more permissions make the change.",
  },
  cross_origin: {
    meaning: "A change with the session cookie comes from a page of another site.",
    remedy:
      "Use a bearer token outside of the web app. For the web app itself, set `OMOI_PUBLIC_URL` to its address.",
  },
  email_unverified: {
    meaning: "Only an account with a confirmed email address is linked to an identity provider.",
    remedy: "Confirm the address by the link in the email, then try again.",
  },
  ip_not_allowed: {
    meaning: "The key has `allowed_ips`, and the address of the request is not among them.",
    remedy: "Send the request from an allowed address, or change the networks of the key.",
  },
  reauthentication_required: {
    meaning: "The change is sensitive, and the sign-in was more than ten minutes ago.",
    remedy: "Send the password along, or sign in again.",
  },
  run_token_starts_no_runs: {
    meaning: "The token of a run cannot start, queue or prompt other runs.",
    remedy: "Start the run with an API key or as a user.",
  },
  own_work: {
    meaning:
      "You have requested the merge, pushed to its branch or proposed the change, or the credential acts as an agent or a service account.",
    remedy: "Let another person approve it.",
  },
  session_required: {
    meaning:
      "Passwords and other ways to sign in are changed only in a signed-in session, not with an API key.",
    remedy: "Sign in, and use the access token of the session.",
  },
  registration_closed: {
    meaning: "The installation takes no new accounts, or only with an invitation.",
    remedy: "Ask for an invitation, or let the operator change `OMOI_REGISTRATION`.",
  },
  invitation_for_another: {
    meaning: "The invitation was sent to another email address than that of your account.",
    remedy: "Sign in with the invited address.",
  },
  not_found: {
    meaning: "The resource does not exist, or you cannot see it. Both have the same answer.",
    remedy:
      "Check the address and the id, and whether your credential has access to the organization.",
  },
  method_not_allowed: {
    meaning: "The address exists, but does not take this method.",
    remedy: "Use one of the methods in the header `Allow`.",
  },
  request_timeout: {
    meaning: "The headers or the body of the request did not arrive in time.",
    remedy: "Send the request again over a faster connection, or send less.",
  },
  second_factor_on: {
    meaning: "The account has an authenticator app already.",
    remedy: "Remove it before you set up another one.",
  },
  second_factor_off: {
    meaning: "The account has no authenticator app, or none that waits for its first code.",
    remedy: "Start the setup with `POST /api/v1/auth/second-factor/totp`.",
  },
  second_factor_unreadable: {
    meaning:
      "The authenticator app was set up under another `OMOI_SECRET`, so that codes cannot be checked.",
    remedy: "The operator must restore that secret, or remove the second factor of the account.",
  },
  passkeys_unavailable: {
    meaning:
      "Passkeys need HTTPS and a host name, or `localhost`; the installation has another address.",
    remedy: "Use another way to sign in, or set `OMOI_PUBLIC_URL` to such an address.",
  },
  passkey_exists: {
    meaning: "The passkey is registered already.",
    remedy: "Use it to sign in, or register another one.",
  },
  last_sign_in_method: {
    meaning: "The removal would leave the account without a way to sign in.",
    remedy: "Add another way first.",
  },
  email_taken: {
    meaning: "Another account has this email address.",
    remedy: "Sign in with it, or reset its password.",
  },
  slug_taken: {
    meaning:
      "Another organization, or another project of the organization, has the slug or had it before.",
    remedy: "Use the `suggestion`, or choose another slug.",
  },
  name_taken: {
    meaning: "Another agent of the organization has the name.",
    remedy: "Choose another name.",
  },
  role_name_taken: {
    meaning: "Another role of the organization, or a system role, has the name.",
    remedy: "Choose another name.",
  },
  runner_name_taken: {
    meaning: "Another runner of the installation has the name.",
    remedy: "Choose another name, or remove that runner first.",
  },
  cluster_online: {
    meaning: "A server uses the cluster, or has used it within the last minute.",
    remedy:
      "Take `OMOI_KUBERNETES_NAMESPACE` out of the settings of all servers, and try again a minute later.",
  },
  role_in_use: {
    meaning: "Members, open invitations or other roles use the role.",
    remedy: "Give them another role first; `detail` names them.",
  },
  already_member: {
    meaning: "The user or agent is a member of the organization already.",
    remedy: "Change the role of the membership instead.",
  },
  already_invited: {
    meaning: "The address has an open invitation to the organization.",
    remedy: "Send it again, or revoke it first.",
  },
  invitation_not_pending: {
    meaning: "The invitation was accepted or revoked, has expired, or its role is gone.",
    remedy: "Create a new invitation.",
  },
  last_owner: {
    meaning: "An organization needs an owner, and this is the last one.",
    remedy: "Make another member an owner first.",
  },
  last_node: {
    meaning: "No other server would take new projects.",
    remedy: "Add a server, or resume a drained one, and try again.",
  },
  node_unavailable: {
    meaning: "A server that takes part in the operation has no lease, or no address.",
    remedy: "Start it, with OMOI_NODE_NAME and OMOI_NODE_URL, and try again.",
  },
  project_moving: {
    meaning: "The project is moving to another server already.",
    remedy: "Wait for the end of that move, or cancel it.",
  },
  doctor_running: {
    meaning: "Another `omoi doctor` checks the installation.",
    remedy: "Wait for its end, a minute at most, and try again.",
  },
  last_super_admin: {
    meaning: "An installation needs a super admin who can sign in, and this is the last one.",
    remedy: "Promote another user first.",
  },
  user_disabled: {
    meaning: "The account is deactivated.",
    remedy: "Let a super admin enable the account first.",
  },
  organization_archived: {
    meaning: "The organization is archived, and can only be read.",
    remedy: "Its owner can restore it with `POST …/restore`.",
  },
  project_not_ready: {
    meaning:
      "The project is being imported, its import has failed, or its default branch has no commit.",
    remedy: "Wait until `status` is `ready`, or read `error` of the project.",
  },
  repository_linked: {
    meaning:
      "The project is linked to a repository on a forge, so that its upstream signs in by the connection.",
    remedy: "Change the credential of the connection, or link the project to another repository.",
  },
  no_repository: {
    meaning: "The project is not linked to a repository on a forge, or its connection was deleted.",
    remedy: "Link it by `PUT /projects/{id}/repository`.",
  },
  forge_app_secret: {
    meaning: "The connection is an App, whose webhook secret is set on the forge.",
    remedy: "Change the secret in the App's settings, and set it here with the App's credential.",
  },
  forge_in_use: {
    meaning: "Projects are linked to repositories of the connection.",
    remedy: "Link them to another connection, or delete with `unlink=true`.",
  },
  forge_without_oauth: {
    meaning:
      "Accounts are linked in the browser only by a connection with an OAuth application, or whose GitHub App was made from the browser.",
    remedy:
      "Link the account by a token, or let an admin add an OAuth application to the connection.",
  },
  too_many_forges: {
    meaning: "The organization has as many connections to forges as it may have.",
    remedy: "Delete one that is no longer needed.",
  },
  forge_unreachable: {
    meaning:
      "The forge did not answer in time, answered with an error of its own, or asks to wait because of its rate limit.",
    remedy: "Do what `detail` says, or try again later.",
  },
  forge_unauthorized: {
    meaning: "The forge does not accept the token, or the App or its installation is gone.",
    remedy: "Replace the credential of the connection.",
  },
  forge_refused: {
    meaning: "The forge refuses the request by a rule of its own; `detail` has its reason.",
    remedy: "Do what the reason says, on the forge or in the request.",
  },
  nothing_to_propose: {
    meaning: "The attempt has no commits that its base branch lacks.",
    remedy: "Let the agent make changes first.",
  },
  pull_request_closed: {
    meaning:
      "The pull request is not open on the forge: it was merged or closed, or is still being opened.",
    remedy: "Open another one for the task, or reopen it on the forge.",
  },
  no_upstream: {
    meaning: "The project was created empty, so that nothing can be fetched or pushed.",
    remedy: "Import the repository as a new project.",
  },
  upstream_busy: {
    meaning: "A transfer with the upstream is under way.",
    remedy: "Wait until `status` of the upstream is `idle`.",
  },
  nothing_to_cancel: {
    meaning: "No fetch is under way; it may have just ended.",
    remedy: "Read the project to see its result.",
  },
  workspace_exists: {
    meaning: "An agent has one workspace at most, and has it already.",
    remedy: "Use it, or archive it first.",
  },
  workspace_missing: {
    meaning: "The agent has no workspace yet.",
    remedy: "Create it with `POST …/workspace`.",
  },
  workspace_expired: {
    meaning: "The workspace was archived, and its retention has ended.",
    remedy: "Create a new workspace; the commits of the old one stay in the project.",
  },
  workspace_not_archived: {
    meaning: "Only an archived workspace can be restored.",
    remedy: "Use the workspace as it is.",
  },
  workspace_not_active: {
    meaning:
      "The workspace is being created, is archived or has failed, or its base branch or folder is gone.",
    remedy: "Read `status` and `error` of the workspace.",
  },
  workspace_remote: {
    meaning: "Workspaces of the types `remote` and `kubernetes` have no folder on the server.",
    remedy:
      "Push to its branch. Runs of a remote workspace need a registered runner that takes the organization's runs, or `external: true`.",
  },
  workspace_busy: {
    meaning: "Another operation works on the workspace or the branch.",
    remedy: "Send the request again after the seconds in `Retry-After`.",
  },
  repository_mismatch: {
    meaning:
      "A branch is not where the database has recorded it, for example after a partial restore.",
    remedy: "The operator should run `omoi admin verify`.",
  },
  unsaved_changes: {
    meaning: "The workspace has changes that are not committed, and `auto_checkpoint` is off.",
    remedy: "Commit them first, or turn `auto_checkpoint` on.",
  },
  merge_conflict: {
    meaning: "The strategy is `manual`, and `resolutions` decides not all conflicts.",
    remedy: "Decide the `conflicts` of this error in `resolutions`, or choose another strategy.",
  },
  branch_protected: {
    meaning:
      "The branch changes only through its merge queue, or its name differs from a protected branch by case alone.",
    remedy: "Send `queue: true`, or choose another branch.",
  },
  merge_request_open: {
    meaning: "The workspace has an open merge request for the branch.",
    remedy: "Wait for it, or cancel it first.",
  },
  merge_request_ended: {
    meaning: "The merge request has landed, was rejected or canceled, or is landing now.",
    remedy: "Create a new merge.",
  },
  protection_change_needs_approval: {
    meaning:
      "The change weakens a rule of a protected branch that asks for approvals. `required_approvals` is the number of other people who must approve.",
    remedy: "Propose it by `POST /api/v1/projects/{project_id}/protection-changes`.",
  },
  protection_change_open: {
    meaning:
      "Another change of the project's protection is pending: `protection_change_id`. A project has one at a time.",
    remedy: "Wait for its approvals, or withdraw it.",
  },
  protection_change_ended: {
    meaning: "The change was applied or withdrawn, or the protection was changed meanwhile.",
    remedy: "Propose a new change.",
  },
  check_in_use: {
    meaning: "A protected branch requires the check.",
    remedy: "Take it out of `protected_branches` of the project first.",
  },
  too_many_checks: {
    meaning: "The project has as many checks as allowed.",
    remedy: "Delete one first.",
  },
  no_setup_script: {
    meaning: "The environment has no script that could be built.",
    remedy: "Set `setup_script` first.",
  },
  too_many_secrets: {
    meaning: "The secrets have reached their number or their total size.",
    remedy: "Delete one, or store a shorter value.",
  },
  provider_in_use: {
    meaning: "Another secret is the key of the same model provider.",
    remedy: "Replace that secret, or delete it first.",
  },
  already_reverted: {
    meaning: "The merge was undone before.",
    remedy: "Revert the revert to bring its changes back.",
  },
  merge_gone: {
    meaning: "The branch no longer contains the merge, because its history was replaced.",
    remedy: "Undo the change by a commit of your own.",
  },
  base_branch_gone: {
    meaning: "The base branch of the workspace was deleted.",
    remedy: "Choose another `base_branch` for the workspace.",
  },
  sync_not_revertible: {
    meaning: "A sync changes only the workspace and cannot be undone as a merge.",
    remedy: "Change the files in the workspace and commit them.",
  },
  quota_exceeded: {
    meaning:
      "The organization has reached its limit of concurrent agents or of hours; see `quota`, `limit` and `current`.",
    remedy: "Wait until a run ends, send `queue: true`, or ask for a higher limit.",
  },
  task_cycle: {
    meaning: "The task would wait, directly or through others, for itself.",
    remedy: "Leave one of the tasks out of `depends_on`.",
  },
  task_limit: {
    meaning: "The task has as many open child tasks as the organization allows, or lies too deep.",
    remedy: "Finish or cancel child tasks first.",
  },
  task_finished: {
    meaning: "The task is done or cancelled.",
    remedy: "Reopen the task with the status `open`, or create another one.",
  },
  too_many_automations: {
    meaning: "A project has at most 200 automations.",
    remedy: "Delete one that is no longer needed.",
  },
  automation_paused: {
    meaning: "A paused or disabled automation does not fire.",
    remedy: "Resume it first: set its `status` to `active`.",
  },
  no_webhook_trigger: {
    meaning: "Only an automation with a trigger `webhook` has an address.",
    remedy: "Add the trigger first.",
  },
  no_attempt: {
    meaning: "The task has not started, or has several attempts of which none is chosen.",
    remedy: "Start the task, choose an attempt, or name it by `attempt_id`.",
  },
  too_many_attempts: {
    meaning: "A task has at most eight attempts that are not archived.",
    remedy: "Choose one of the attempts, or create another task.",
  },
  attempt_chosen: {
    meaning: "Another attempt of the task was chosen before.",
    remedy: "Read the task again; the first choice counts.",
  },
  attempt_archived: {
    meaning: "The attempt is archived, because another one was chosen.",
    remedy: "Restore its workspace on the page of its agent, or start another attempt.",
  },
  task_held: {
    meaning:
      "The text of the task is by people without write access to the repository on the forge, so it starts once a person has released it.",
    remedy:
      "Read the text, then release the task: `POST /tasks/{id}/release` or `omoi task release`.",
  },
  task_untrusted: {
    meaning:
      "The text of the task is by people without write access to the repository on the forge: its runs never have the network `full`.",
    remedy: "Use the network `restricted`, or create a task with a text of your own.",
  },
  nothing_to_retry: {
    meaning: "No attempt of the task has failed or was stopped.",
    remedy: "Send a prompt, or add an attempt.",
  },
  changes_moved: {
    meaning:
      "The review was written for another commit than the newest one; `commit_sha` names that, `comments` the places that would move.",
    remedy: "Read the changes again, and publish with the new `commit_sha`.",
  },
  threads_open: {
    meaning:
      "The target branch requires that all threads are resolved; `open_threads` counts them.",
    remedy: "Resolve the threads, then merge again.",
  },
  suggestion_stale: {
    meaning: "The lines have changed since the suggestion was written; `thread_ids` names it.",
    remedy: "Make the change in a prompt, or write a new suggestion.",
  },
  no_suggestion: {
    meaning: "No comment of the thread suggests a change, or it was already applied.",
    remedy: "Choose a thread whose `suggestion` is `open`.",
  },
  too_many_threads: {
    meaning: "A task has at most 5000 threads.",
    remedy: "Reply in a thread that exists, or create another task.",
  },
  nothing_to_review: {
    meaning: "The attempt changes nothing, compared with its target branch.",
    remedy: "Wait until the agent has changed something.",
  },
  too_many_opinions: {
    meaning: "A task has at most 50 second opinions, and 5 that have not ended.",
    remedy: "Wait until one ends, or cancel one.",
  },
  opinion_open: {
    meaning: "The second opinion is queued or running, or its review is published already.",
    remedy: "Wait until it ends, or cancel it. Ask for another one after a review.",
  },
  opinion_ended: {
    meaning: "The second opinion has ended; a review is published once.",
    remedy: "Ask for another one, or retry one that has failed.",
  },
  too_many_comments: {
    meaning: "A thread has at most 500 comments.",
    remedy: "Start another thread.",
  },
  run_in_progress: {
    meaning: "The agent has a run, and has only one at a time.",
    remedy: "Stop the run first, or wait for its end.",
  },
  kubernetes_unavailable: {
    meaning: "No server of the installation uses a Kubernetes cluster.",
    remedy:
      "The operator sets `OMOI_KUBERNETES_NAMESPACE`, see the guide *Execute runs in Kubernetes*; or use another type of workspace.",
  },
  docker_unavailable: {
    meaning: "The engine of docker workspaces cannot be reached, or lacks the image.",
    remedy: "The operator should check `GET /api/v1/sandbox` and `OMOI_DOCKER_SOCKET`.",
  },
  sandbox_unavailable: {
    meaning: "The machine cannot confine commands, so that none is started.",
    remedy: "See `reason` and `install` of `GET /api/v1/sandbox`.",
  },
  program_missing: {
    meaning:
      "The program of the preset is not installed on the server's machine, or does not start there. `install` is the command that installs it.",
    remedy: "The operator runs the command; or use another preset.",
  },
  missing_model_key: {
    meaning:
      "The program of the preset has no key of its model provider. `secret` is the name of the secret that it reads.",
    remedy:
      "Set the secret of the project or the organization, or one of the kind `model`, which keeps the key from the run.",
  },
  network_not_isolated: {
    meaning: "The machine cannot give the run the requested network safely.",
    remedy:
      "Use another network, or see `full_network`, `restricted_network` and `kubernetes.networks` of `GET /api/v1/sandbox`.",
  },
  queue_full: {
    meaning: "As many runs or merge requests wait as allowed.",
    remedy: "Try again when some of them have started or landed.",
  },
  session_closed: {
    meaning: "The session is closed, or its program has ended and cannot go on.",
    remedy: "Start a new session.",
  },
  too_many_prompts: {
    meaning: "As many prompts wait for the end of the turn as allowed.",
    remedy: "Wait for the end of the turn, or cancel it.",
  },
  permission_answered: {
    meaning: "The request for a permission was answered before, or canceled.",
    remedy: "Read the session; the first answer counts.",
  },
  run_managed: {
    meaning: "The server itself keeps the run alive and ends it.",
    remedy: "Send no heartbeats; end checks by canceling the merge.",
  },
  run_ended: {
    meaning: "The run has ended, so that it has no lease any more.",
    remedy: "Start a new run.",
  },
  run_not_offered: {
    meaning:
      "A runner starts a run that was offered to it more than 30 s ago, or that it has started before.",
    remedy: "The runner asks for runs again.",
  },
  log_gap: {
    meaning:
      "A runner sends a part of a log whose beginning the server does not have yet; `offset` and the header `Omoi-Log-Offset` say how many bytes it has.",
    remedy: "The runner continues at that offset.",
  },
  agent_running: {
    meaning: "A run works in the workspace.",
    remedy: "Stop the run first.",
  },
  agent_terminated: {
    meaning: "The agent is terminated for good.",
    remedy: "Create another agent; the name is free again.",
  },
  key_not_active: {
    meaning: "The key has expired or was revoked.",
    remedy: "Create a new key.",
  },
  idempotency_in_flight: {
    meaning: "The first request with this `Idempotency-Key` has not been answered yet.",
    remedy: "Wait for its answer, then send the request again.",
  },
  idempotency_mismatch: {
    meaning: "The `Idempotency-Key` was used for a request with another path or body.",
    remedy: "Use a new key for each new request.",
  },
  stale: {
    meaning:
      "The resource has changed since you read it: `If-Match`, `expected_source` or `expected_target` is not current.",
    remedy: "Read it again, and repeat the change on the new state.",
  },
  body_too_large: {
    meaning: "The body is larger than the limit of 1 MiB, or that of a push.",
    remedy: "Send less at once.",
  },
  log_expired: {
    meaning:
      "The log of the run, or the transcript of the session, was deleted: they are kept for the days of `OMOI_RUN_LOG_DAYS` after their last output.",
    remedy:
      "Start the run again if you need its output. The operator can raise `OMOI_RUN_LOG_DAYS` for later ones.",
  },
  headers_too_large: {
    meaning: "The request's line and headers are larger than 16 KiB together.",
    remedy: "Send fewer or shorter headers and cookies, or a shorter address.",
  },
  unsupported_media_type: {
    meaning: "The body has another content type than JSON.",
    remedy: "Send `Content-Type: application/json`.",
  },
  slug_reserved: {
    meaning: "The slug is a word of the API or the pages, or looks like an id.",
    remedy: "Choose another slug.",
  },
  nested_repository: {
    meaning: "A folder of the workspace contains a git repository of its own.",
    remedy: "Remove its `.git`, or add the folder to `.gitignore`.",
  },
  file_too_large: {
    meaning: "A file of the workspace is larger than 100 MiB.",
    remedy: "Remove it, or add it to `.gitignore`.",
  },
  tree_too_large: {
    meaning: "The result would have more files or bytes than one commit may have.",
    remedy: "Remove files, or add them to `.gitignore`.",
  },
  unsafe_path: {
    meaning: "A path is too deep, too long or not allowed by git.",
    remedy: "Rename or remove the file that `detail` names.",
  },
  leaked_key: {
    meaning: "A file contains an API key of this installation that is active.",
    remedy: "Revoke the key, or remove it from the file, and commit again.",
  },
  rate_limited: {
    meaning: "Too many requests or failed attempts in a period.",
    remedy: "Send the next request after the seconds in `Retry-After`.",
  },
  internal: {
    meaning: "The server has failed on this request.",
    remedy:
      "Try again. If it fails again, give `request_id` to the operator, who finds the cause in the log.",
  },
  folder_unavailable: {
    meaning: "The folder of the workspace cannot be used now. Its commits are safe.",
    remedy: "Do what `detail` says; the operator may have to act.",
  },
  home_unavailable: {
    meaning:
      "The server that stores the project does not respond, or another one is taking over. Nothing was changed.",
    remedy:
      "Try again after the seconds in `Retry-After`. The operator sees the servers with `omoi admin nodes`.",
  },
  log_unavailable: {
    meaning:
      "The log of an ended run is in the operator's object storage, which does not give it now. Nothing else is affected.",
    remedy:
      "Try again after the time in `Retry-After`. Without that header, the operator must do what `detail` says.",
  },
  maintenance: {
    meaning:
      "The operator has put the installation into maintenance. Data can be read, and git can fetch, but nothing can be changed or started.",
    remedy:
      "Read the operator's message in `detail`, and try again after the seconds in `Retry-After`. `GET /api/v1/maintenance` says whether it lasts.",
  },
  no_space: {
    meaning: "A disk of the server is full, and the operation was not completed.",
    remedy: "The operator must free space; then try again.",
  },
  unavailable: {
    meaning: "The server, its database or an upstream cannot be reached for the moment.",
    remedy: "Try again after the seconds in `Retry-After`.",
  },
  outcome_unknown: {
    meaning:
      "The connection to the database broke while the change was being saved, as in a failover. All of it, or its first part, may have been saved.",
    remedy:
      "After the seconds in `Retry-After`, read the resource or its list, and repeat the request only if the change is missing. A repetition with the same `Idempotency-Key` is refused for ten minutes instead of being executed twice.",
  },
};
