import { Outlet, useRouterState } from "@tanstack/react-router";
import { type ReactElement, useEffect, useRef } from "react";
import { focusPage, keepFocus } from "../../ui/layout/focus.js";
import { Toasts } from "../../ui/feedback/toast.js";
import { ConnectionBanner } from "./connection-banner.js";
import { LeaveGuard } from "./leave-guard.js";
import { MaintenanceBanner } from "./maintenance-banner.js";

export function RootLayout(): ReactElement {
  useFocusOnNavigation();
  useEffect(keepFocus, []);
  return (
    <>
      <MaintenanceBanner />
      <Outlet />
      <ConnectionBanner />
      <Toasts />
      <LeaveGuard />
    </>
  );
}

/**
 * Focuses the page's heading when the page changes, so that screen readers announce it. Not on a change
 * of search parameters alone, nor if the page has focused a field or dialog.
 */
function useFocusOnNavigation(): void {
  const pathname = useRouterState({ select: (state) => state.resolvedLocation?.pathname });
  const lastPathname = useRef(pathname);
  useEffect(() => {
    const isOther = lastPathname.current !== undefined && lastPathname.current !== pathname;
    lastPathname.current = pathname;
    if (!isOther) return;
    const isPlaced = document.activeElement?.closest("main :is(input, textarea), [role=dialog]");
    if (!isPlaced) focusPage();
  }, [pathname]);
}
