import { Outlet } from "@tanstack/react-router";
import type { ReactElement } from "react";
import { Toasts } from "../../ui/toast.js";
import { LeaveGuard } from "./leave-guard.js";

export function RootLayout(): ReactElement {
  return (
    <>
      <Outlet />
      <Toasts />
      <LeaveGuard />
    </>
  );
}
