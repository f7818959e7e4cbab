/** Chooses how working trees are created on this machine. */
import { mkdir } from "node:fs/promises";
import { checkoutDriver, type WorktreeDriver, type WorktreePaths } from "./worktree-driver.js";
import type { Owner } from "./folder-handle.js";
import { overlayKinds, type OverlayKind } from "./mounts.js";
import { isOverlay, overlayDriver } from "./overlay-driver.js";
import { probeOverlay } from "./probe-overlay.js";

/** The chosen driver, and why each preferred kind failed. */
export interface Choice {
  driver: WorktreeDriver;
  refused: { kind: OverlayKind; reason: string }[];
}

/**
 * Probes the kinds that `wanted` allows in the folder `overlays` of the data folder and returns a
 * driver that creates working trees with the first one that works. Existing ones of other kinds
 * remain usable. Null if `wanted` is `overlay` and none works.
 */
export async function chooseDriver(
  wanted: "auto" | "overlay" | "checkout",
  overlays: string,
  owner: Owner | null,
): Promise<Choice | { driver: null; refused: Choice["refused"] }> {
  const refused: Choice["refused"] = [];
  if (wanted !== "checkout") {
    await mkdir(overlays, { recursive: true, mode: 0o700 });
    for (const kind of overlayKinds) {
      const reason = await probeOverlay(kind, overlays);
      if (reason === null) {
        const mapsOwners =
          owner !== null &&
          (await probeOverlay(kind, overlays, [owner.uid, owner.uid + 1])) === null;
        const driver = overlayDriver(kind, owner, mapsOwners);
        return { driver: anyDriver(driver, owner, mapsOwners), refused };
      }
      refused.push({ kind, reason });
    }
    if (wanted === "overlay") return { driver: null, refused };
  }
  return { driver: anyDriver(checkoutDriver, owner), refused };
}

/** Creates working trees with `chosen`, and serves each existing one by its kind. */
function anyDriver(
  chosen: WorktreeDriver,
  owner: Owner | null,
  mapsOwners = false,
): WorktreeDriver {
  // The kind of mount is recorded in the overlay.
  const overlay = overlayDriver("overlay", owner, mapsOwners);
  const of = async (places: WorktreePaths): Promise<WorktreeDriver> =>
    (await isOverlay(places)) ? overlay : checkoutDriver;
  return {
    name: chosen.name,
    create: async (input) => {
      await overlay.remove(input);
      return chosen.create(input);
    },
    // A checkout may have layers beside it, too (`overlayToCheckout`).
    remove: (places) => overlay.remove(places),
    open: async (places) => (await of(places)).open(places),
    changeOwner: async (places, to) => (await of(places)).changeOwner(places, to),
    storeEnvironment: (places, layer) => overlay.storeEnvironment(places, layer),
    attachEnvironment: async (places, layer) => (await of(places)).attachEnvironment(places, layer),
    canChangeOwner: async (places) => (await of(places)).canChangeOwner(places),
    measure: async (places) => (await of(places)).measure(places),
  };
}
