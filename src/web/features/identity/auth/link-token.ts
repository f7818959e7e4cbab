import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { paths } from "../../../paths/paths.js";

/**
 * Returns the one-time token of an emailed link. It is removed from the address bar at once, so that it
 * appears neither in the history nor in copies or screenshots.
 */
export function useLinkToken(
  found: string | undefined,
  page: ReturnType<typeof paths.verifyEmail> | ReturnType<typeof paths.resetPassword>,
): string | undefined {
  const [token] = useState(found);
  const navigate = useNavigate();
  useEffect(() => {
    if (found !== undefined) void navigate({ ...page, replace: true });
  }, [found, navigate, page]);
  return token;
}
