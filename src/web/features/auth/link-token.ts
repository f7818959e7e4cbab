import { useNavigate } from "@tanstack/react-router";
import { useEffect, useState } from "react";
import type { paths } from "../../paths/paths.js";

/**
 * The one-time token that a link from a mail carries. It leaves the address bar at once, so that it is
 * neither in the history nor in what somebody copies or photographs.
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
