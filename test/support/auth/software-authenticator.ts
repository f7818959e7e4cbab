import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";
import { isoCBOR } from "@simplewebauthn/server/helpers";
import type { TestPerson } from "../server/app.js";

/** Passkeys are bound to a host name: the public URL of applications in these tests. */
export const localhost = "http://localhost";

/** A passkey in a software authenticator: ES256, discoverable, with user verification. */
export interface SoftwarePasskey {
  id: string;
  privateKey: KeyObject;
  publicKey: KeyObject;
  userHandle: string;
  rpId: string;
  counter: number;
}

/** Faults of a broken authenticator or browser. */
interface Deviations {
  origin?: string;
  rpId?: string;
  challenge?: string;
  userVerified?: boolean;
  counter?: number;
  userHandle?: string;
}

interface Options {
  challenge: string;
  rpId?: string;
  rp?: { id?: string };
  user?: { id: string };
}

const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString("base64url");
const sha256 = (bytes: Uint8Array | string): Buffer => createHash("sha256").update(bytes).digest();

function clientData(type: string, challenge: string, origin: string): Buffer {
  return Buffer.from(JSON.stringify({ type, challenge, origin, crossOrigin: false }));
}

/**
 * Flags: user present 1, user verified 4, backup eligible 8, backed up 16, attested credential 64.
 */
function authenticatorData(rpId: string, flags: number, counter: number): Buffer {
  const rest = Buffer.alloc(5);
  rest.writeUInt8(flags, 0);
  rest.writeUInt32BE(counter, 1);
  return Buffer.concat([sha256(rpId), rest]);
}

/** Creates a passkey, and the browser's response for registering it. */
export function makePasskey(
  given: unknown,
  origin: string,
  { userVerified = true, ...deviations }: Deviations = {},
) {
  const options = given as Options;
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const id = randomBytes(32);
  const rpId = deviations.rpId ?? options.rp?.id ?? "";
  const passkey: SoftwarePasskey = {
    id: base64url(id),
    privateKey,
    publicKey,
    userHandle: options.user?.id ?? "",
    rpId,
    counter: 1,
  };
  // COSE: kty EC2, alg ES256, crv P-256
  const coseKey = isoCBOR.encode(
    new Map<number, number | Uint8Array>([
      [1, 2],
      [3, -7],
      [-1, 1],
      [-2, Uint8Array.from(Buffer.from(x, "base64url"))],
      [-3, Uint8Array.from(Buffer.from(y, "base64url"))],
    ]),
  );
  const idLength = Buffer.alloc(2);
  idLength.writeUInt16BE(id.length);
  const authData = Buffer.concat([
    authenticatorData(rpId, userVerified ? 0x5d : 0x59, 1),
    Buffer.alloc(16),
    idLength,
    id,
    coseKey,
  ]);
  const attestation = isoCBOR.encode(
    new Map<string, string | Map<string, string> | Uint8Array>([
      ["fmt", "none"],
      ["attStmt", new Map<string, string>()],
      ["authData", Uint8Array.from(authData)],
    ]),
  );
  const data = clientData(
    "webauthn.create",
    deviations.challenge ?? options.challenge,
    deviations.origin ?? origin,
  );
  const response = {
    id: passkey.id,
    rawId: passkey.id,
    type: "public-key" as const,
    clientExtensionResults: {},
    authenticatorAttachment: "platform",
    response: {
      clientDataJSON: base64url(data),
      attestationObject: base64url(attestation),
      transports: ["internal"],
    },
  };
  return { passkey, response };
}

/** Returns the browser's response for signing in with a passkey. */
export function signWith(
  passkey: SoftwarePasskey,
  given: unknown,
  origin: string,
  { userVerified = true, ...deviations }: Deviations = {},
) {
  const options = given as Options;
  passkey.counter += 1;
  const data = clientData(
    "webauthn.get",
    deviations.challenge ?? options.challenge,
    deviations.origin ?? origin,
  );
  const authData = authenticatorData(
    deviations.rpId ?? passkey.rpId,
    userVerified ? 0x1d : 0x19,
    deviations.counter ?? passkey.counter,
  );
  return {
    id: passkey.id,
    rawId: passkey.id,
    type: "public-key" as const,
    clientExtensionResults: {},
    response: {
      clientDataJSON: base64url(data),
      authenticatorData: base64url(authData),
      signature: base64url(
        sign("sha256", Buffer.concat([authData, sha256(data)]), passkey.privateKey),
      ),
      userHandle: deviations.userHandle ?? passkey.userHandle,
    },
  };
}

/** Registers a passkey for the client's user. */
export async function addPasskey(
  api: TestPerson["api"],
  passkeyName = "a laptop",
): Promise<{ id: string; passkey: SoftwarePasskey }> {
  const { data: options } = await api.passkeys.options();
  const { passkey, response } = makePasskey(options, localhost);
  const { data } = await api.passkeys.create({ body: { name: passkeyName, response } });
  return { id: data.id, passkey };
}
