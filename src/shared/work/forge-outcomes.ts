/** What became of a visit to a forge in the browser, for the page that it returns to. */
export const forgeOutcomes = {
  connected: "GitHub is connected.",
  linked: "Your account is linked.",
  expired: "This step has expired, or another session began it. Begin again.",
  denied: "The forge was not allowed to go on. Begin again to allow it.",
  requested:
    "An owner of the account on GitHub has to approve the installation. Once it is approved, begin again.",
  not_yours:
    "GitHub does not show you this installation of the App. Install it in an account of yours.",
  too_many: "The organization has as many connections as it may have. Delete one first.",
  refused: "You no longer have the permission to connect forges.",
  failed: "The forge did not confirm this step. Begin again.",
} as const;

export type ForgeOutcome = keyof typeof forgeOutcomes;
