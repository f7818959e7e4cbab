/**
 * The actions of the installation's audit log, each with the predicate that follows the actor's
 * name.
 */
export const installationActions = {
  "user.disabled": "disabled a user",
  "user.enabled": "enabled a user",
  "user.password_reset": "created a password reset link for a user",
  "user.second_factor_removed": "removed a user's second factor",
  "user.signed_out": "signed a user out",
  "user.promoted": "made a user a super admin",
  "user.demoted": "removed super admin rights from a user",
  "user.exported": "exported a user's data",
  "user.deleted": "deleted a user",
  "node.drained": "stopped giving new projects to a server",
  "node.resumed": "gave new projects to a server again",
  "runner.registered": "registered a runner",
  "runner.renamed": "renamed a runner",
  "runner.paused": "paused a runner",
  "runner.resumed": "resumed a runner",
  "runner.removed": "removed a runner",
  "project.move_started": "started to move a project to another server",
  "project.move_canceled": "canceled the move of a project",
  "node.adopted": "gave the projects of a server that is gone to another one",
  "node.removed": "removed a server that is gone",
  "secret.rotated": "rotated the secret",
  "maintenance.started": "began maintenance",
  "maintenance.changed": "changed the message of maintenance",
  "maintenance.ended": "ended maintenance",
  "backup.created": "created a backup",
  "backup.restored": "restored a backup",
} as const satisfies Record<string, string>;

export type InstallationAction = keyof typeof installationActions;
export const installationActionNames = Object.keys(installationActions) as InstallationAction[];
