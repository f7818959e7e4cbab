/** A connection that is not made, with the status of the response. */
export class EgressError extends Error {
  override readonly name = "EgressError";
  readonly status: 400 | 403 | 407 | 502 | 503;

  constructor(message: string, status: EgressError["status"] = 403) {
    super(message);
    this.status = status;
  }
}

/** Why a connection ends before its host has answered. */
export const ENDED = "the host ended the connection";
