import { append, replaceText, type Edits } from "./edits.js";

/** worker-1 adds proof keys (PKCE) to the code flow. */
const exchange = `    async def exchange_code(self, code: str) -> Token:
        """Trades an authorization code for a token."""
        response = await self._client.post(
            settings.token_url,
            data={
                "grant_type": "authorization_code",
                "client_id": settings.client_id,
                "code": code,
            },
        )
`;

const exchangeWithProof = `    async def exchange_code(self, code: str, verifier: str | None = None) -> Token:
        """Trades an authorization code for a token, with the proof key where there is one."""
        data = {
            "grant_type": "authorization_code",
            "client_id": settings.client_id,
            "code": code,
        }
        if verifier is not None:
            data["code_verifier"] = verifier
        response = await self._client.post(settings.token_url, data=data)
`;

/** Three files: the first checkpoint. */
export const firstCheckpoint: Edits = {
  "src/auth/oauth2_handler.py": replaceText(exchange, exchangeWithProof),
  "src/auth/tokens.py": (text) =>
    replaceText(
      "    expires_at: datetime\n\n    @class",
      "    expires_at: datetime\n    refresh_value: str | None = None\n\n    @class",
    )(
      replaceText(
        'return cls(body["access_token"], datetime.now(timezone.utc) + lifetime)',
        'expires_at = datetime.now(timezone.utc) + lifetime\n        return cls(body["access_token"], expires_at, body.get("refresh_token"))',
      )(text),
    ),
  "tests/test_oauth2.py": replaceText(
    `async def test_exchanges_a_code():
    token = await handler(200, {"access_token": "t1", "expires_in": 60}).exchange_code("c1")
    assert token.value == "t1"
`,
    `async def test_exchanges_a_code_with_its_verifier():
    body = {"access_token": "t1", "expires_in": 60, "refresh_token": "r1"}
    token = await handler(200, body).exchange_code("c1", verifier="v1")
    assert token.refresh_value == "r1"
`,
  ),
};

/** The first iteration changes seven files. */
export const firstIteration: Edits = {
  "README.md": replaceText("OAuth 2.0 code flow, tokens", "OAuth 2.0 code flow with PKCE, tokens"),
  "docs/decisions/0002-proof-keys.md": `# 2. Proof keys for every client

An intercepted authorization code must be worthless. Every sign-in therefore carries a proof key
(RFC 7636), also those of clients that have a secret.
`,
  "src/api/routes.py": append(`

@router.get("/login")
async def login() -> dict[str, str]:
    verifier = new_verifier()
    return {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
`),
  "src/auth/oauth2_handler.py": replaceText(
    "        response = await self._client.post(settings.token_url, data=data)\n",
    `        response = await self._client.post(
            settings.token_url,
            data=data,
            headers={"accept": "application/json"},
        )
`,
  ),
  "src/auth/pkce.py": `"""Proof keys for the code flow (RFC 7636)."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from secrets import token_urlsafe


def new_verifier() -> str:
    return token_urlsafe(48)


def challenge_of(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
`,
  "src/legacy/basic_auth.py": replaceText(
    '    user, _, password = b64decode(encoded).decode().partition(":")\n',
    '    user, colon, password = b64decode(encoded, validate=True).decode().partition(":")\n' +
      '    if not colon:\n        raise ValueError("no password")\n',
  ),
  "src/sessions/session.py": replaceText(
    "    expires_at: datetime\n",
    "    expires_at: datetime\n    verifier: str | None = None\n",
  ),
};

/** Left uncommitted when the child agent is created, which commits it. */
export const beforeTheChild: Edits = {
  "src/api/routes.py": replaceText(
    "from fastapi import APIRouter, Request\n",
    "from fastapi import APIRouter, Request\n\nfrom src.auth.pkce import challenge_of, new_verifier\n",
  ),
};

/** The second iteration: a rename and its consequences. */
export const secondIteration: Edits = {
  "src/auth/passwords.py": { from: "src/auth/password.py" },
  "tests/test_passwords.py": { from: "tests/test_password.py" },
};

export const secondIterationImports: Edits = {
  "tests/test_passwords.py": replaceText("src.auth.password import", "src.auth.passwords import"),
};

export const signInDocs: Edits = {
  "docs/sign-in.md": `# Signing in

1. \`GET /login\` answers a challenge; the verifier stays in the session.
2. The provider sends the browser back with a code.
3. \`OAuth2Handler.exchange_code\` trades code and verifier for a token.
`,
};

/** Left uncommitted at the end, shown as pending changes. */
export const unsaved: Edits = {
  "src/auth/revocation.py": `"""Revoking tokens (RFC 7009). Not finished."""

from src.auth.tokens import Token


async def revoke(token: Token) -> None:
    raise NotImplementedError
`,
  "src/config.py": replaceText("session_hours: int = 12", "session_hours: int = 8"),
  "docs/decisions/0001-opaque-tokens.md": append("\nRevoking follows RFC 7009.\n"),
};

/** The changes of worker-1-tests, the child agent. */
export const childTests: Edits = {
  "tests/test_pkce.py": `from src.auth.pkce import challenge_of, new_verifier


def test_challenge_of_the_rfc():
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_verifiers_differ():
    assert new_verifier() != new_verifier()
`,
  "tests/test_tokens.py": `from src.auth.tokens import Token


def test_keeps_the_refresh_token():
    token = Token.from_response({"access_token": "t1", "expires_in": 60, "refresh_token": "r1"})
    assert token.refresh_value == "r1"


def test_fingerprint_tells_nothing():
    token = Token.from_response({"access_token": "t1", "expires_in": 60})
    assert token.value not in token.fingerprint
`,
};
