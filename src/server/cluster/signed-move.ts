import { z } from "zod";
import { signatureOf, type Signature } from "./signature.js";

/** The header by which a node asks another one for the files of a project that moves to it. */
export const moveHeader = "omoi-move";

const claim = z.strictObject({
  /** The ids of the nodes that send and receive it. */
  from: z.uuid(),
  to: z.uuid(),
  /** The epoch of the receiver. */
  epoch: z.number().int(),
  /** The move and its attempt. They end, so that a later replay is refused. */
  move: z.uuid(),
  attempt: z.uuid(),
});
export type MoveClaim = z.output<typeof claim>;

export type MoveSignature = Signature<MoveClaim>;

export const moveSignature = (clusterSecret: string): MoveSignature =>
  signatureOf(clusterSecret, "omoi moves", claim);
