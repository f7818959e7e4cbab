/** What the audit log of the installation tells of: each action with the sentence that follows the actor's name. */
export const installationActions = {
  "user.disabled": "disabled a user",
  "user.enabled": "enabled a user",
  "user.password_reset": "made a link to reset a user's password",
  "user.second_factor_removed": "removed a user's second factor",
  "user.signed_out": "signed a user out",
  "user.promoted": "made a user a super admin",
  "user.demoted": "took the super admin's rights from a user",
  "user.exported": "exported a user's data",
  "user.deleted": "deleted a user",
  "secret.rotated": "rotated the secret",
  "backup.created": "made a backup",
  "backup.restored": "restored a backup",
} as const satisfies Record<string, string>;

export type InstallationAction = keyof typeof installationActions;
export const installationActionNames = Object.keys(installationActions) as InstallationAction[];
